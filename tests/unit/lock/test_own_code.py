"""`lading.lock.own_code`: pip lines that name a wheel or a source tree by its path."""

from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import SpecError
from lading.lock.environment_file import read_environment
from lading.lock.own_code import is_own_code, parse_own_code

WHEEL = "tool-1.0-py3-none-any.whl"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a source tree, one that only setuptools understands, and a wheel."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/pyproject.toml").write_text('[project]\nname = "My.Lib"\n')
    (tmp_path / "old").mkdir()
    (tmp_path / "old/setup.cfg").write_text("[metadata]\nname = old_lib\n")
    (tmp_path / "silent").mkdir()
    (tmp_path / "silent/setup.py").touch()
    (tmp_path / WHEEL).touch()
    (tmp_path / "odd.whl").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "name", "path"),
    [
        ("./lib", "my-lib", "lib"),
        ("-e ./lib", "my-lib", "lib"),
        ("--editable=./lib", "my-lib", "lib"),
        ("My_Lib @ file:./lib", "my-lib", "lib"),
        ("old/../lib", "", ""),
        ("./old/../lib", "my-lib", "lib"),
        ("./old", "old-lib", "old"),
        ("silent @ ./silent", "silent", "silent"),
        (WHEEL, "tool", WHEEL),
        (f"./{WHEEL}  # of the day", "tool", WHEEL),
        ("requests", "", ""),
        ("requests @ https://example.invalid/requests.whl", "", ""),
    ],
)
def test_path(root: Path, line: str, name: str, path: str) -> None:
    """The package is named by what lies at the path; other requirements are none of it."""
    assert is_own_code(line) == bool(name)
    if name:
        found = parse_own_code(line, root)
        assert (found.name, found.path) == (name, root / path)


def test_extras_and_marker(root: Path) -> None:
    """Extras are sorted, and the marker says where it is wanted."""
    found = parse_own_code("./lib[two, one] ; sys_platform == 'darwin'", root)
    assert found.extras == ("one", "two")
    assert found.is_wanted(Platform.OSX_ARM64)
    assert not found.is_wanted(Platform.LINUX_64)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("./absent", "absent does not exist"),
        ("./absent-1-py3-none-any.whl", "no such wheel"),
        ("./", "has no pyproject.toml"),
        ("./silent", "does not say the name"),
        ("./odd.whl", "odd.whl is not the name of a wheel"),
        ("other @ file:./lib", "is the package My.Lib, not other"),
        ("./lib ; nonsense", "the marker of"),
        ("-e git+https://example.invalid/x", "a repository has no digest"),
    ],
)
def test_refused(root: Path, line: str, words: str) -> None:
    """What cannot be locked is refused with its place and the reason."""
    source = root / "environment.yml"
    source.write_text(f'dependencies:\n  - python\n  - pip: ["{line}"]\n')
    with pytest.raises(SpecError, match=words) as caught:
        read_environment(source)
    assert "dependencies[1].pip[0]" in str(caught.value)
