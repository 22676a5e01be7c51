"""`lading.lock.environment_file`: all that is wrong with an environment file, at once."""

from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.errors import SpecError
from lading.lock.environment_file import read_environment

EXAMPLES = Path(__file__).parents[3] / "examples" / "pangeo-notebook"


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "environment.yml"
    path.write_text(text, encoding="utf-8")
    return path


def _problem(tmp_path: Path, text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_environment(_write(tmp_path, text))
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value


def test_everything_it_may_say(tmp_path: Path) -> None:
    """Each key ends in its field."""
    read = read_environment(
        _write(
            tmp_path,
            """
name: service
channels: [conda-forge, nodefaults, "https://user:secret@host.invalid/t/token/private"]
platforms: [linux-64, osx-arm64]
category: dev
prefix: /somewhere
variables: {LEVEL: 3, MODE: fast}
pip-repositories: [https://index.invalid/simple]
allow-pypi-requests: false
dependencies:
  - python=3.12
  - numpy >=2  # [linux]
  - pip:
      - requests>=2
      - tool @ https://host.invalid/tool-1-py3-none-any.whl
""",
        )
    )
    assert read.name == "service"
    assert read.channels == ("conda-forge", "https://host.invalid/private")
    assert read.platforms == (Platform.LINUX_64, Platform.OSX_ARM64)
    assert read.category == "dev"
    assert [spec.text for spec in read.specs] == ["python 3.12.*", "numpy >=2"]
    assert read.pip == ("requests>=2", "tool @ https://host.invalid/tool-1-py3-none-any.whl")
    assert read.variables == {"LEVEL": "3", "MODE": "fast"}


@pytest.mark.parametrize(("name", "count"), [("base.yml", 3), ("environment.yml", 135)])
def test_published_files(name: str, count: int) -> None:
    """The published environments of Pangeo are read whole."""
    read = read_environment(EXAMPLES / name)
    assert count == len(read.specs)
    assert read.channels == ("conda-forge",)


def test_missing(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(SpecError, match=r"nowhere\.yml: no such file"):
        read_environment(tmp_path / "nowhere.yml")


def test_a_directory(tmp_path: Path) -> None:
    """A directory is not a file."""
    with pytest.raises(SpecError, match="Is a directory"):
        read_environment(tmp_path)


def test_no_text(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused."""
    path = tmp_path / "environment.yml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="not UTF-8"):
        read_environment(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# a comment\n", "is empty"),
        ("- python\n- numpy\n", "holds a list, not a mapping"),
        ("python\n", "holds a text, not a mapping"),
        ("dependencies: [python\n", "is not valid YAML"),
        ("dependencies: [a]\ndependencies: [b]\n", "twice"),
        ("? [a, b]\n: c\n", "is not valid YAML"),
        ("name: x\n", "dependencies: missing"),
        ("dependencies:\n", "dependencies: empty"),
        ("dependencies: python\n", "dependencies: a text stands where a list is expected"),
        ("dependencies: [python, 3]\n", "dependencies[1]: a number stands"),
        ("dependencies: [{conda: [a]}]\n", "dependencies[0]: a mapping stands"),
        ("dependencies: [a, {pip: x}]\n", "dependencies[1].pip: a text stands"),
        ("dependencies: [a, {pip: [x, {}]}]\n", "dependencies[1].pip[1]: a mapping stands"),
        ("dependencies: ['numpy >=']\n", "dependencies[0]: cannot use the MatchSpec"),
        ("dependencies: [a]\nchannels: conda-forge\n", "channels: a text stands"),
        ("dependencies: [a]\nchannels: [1]\n", "channels[0]: a number stands"),
        ("dependencies: [a]\nname: [x]\n", "name: a list stands"),
        ("dependencies: [a]\nplatforms: [linux]\n", "platforms[0]: there is no platform 'linux'"),
        ("dependencies: [a]\nvariables: [x]\n", "variables: a list stands"),
        ("dependencies: [a]\nvariables: {x: [1]}\n", "variables.x: a list stands where a text"),
        ("dependencies: [a]\nallow-pypi-requests: no thanks\n", "write true or false"),
        ("dependencies: [a]\nchanels: [x]\n", "`chanels`, did you mean `channels`?"),
        ("dependencies: [a]\nzzz: 1\n", "unknown key `zzz`; known are name,"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    """A wrong file is refused with the file and the place."""
    error = _problem(tmp_path, text)
    assert str(tmp_path / "environment.yml") in str(error)
    assert message in str(error)


def test_pip_options(tmp_path: Path) -> None:
    """Options are read, with the files that they name; what is unknown in them is refused."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more/requirements.txt").write_text(
        "# comment\n--pre\n-c limits.txt\ntool \\\n  >=1  # why\n./lib\n"
    )
    (tmp_path / "more/limits.txt").write_text("helper<2\n")
    (tmp_path / "more/lib").mkdir()
    (tmp_path / "more/lib/pyproject.toml").write_text('[project]\nname = "lib"\n')
    source = tmp_path / "environment.yml"
    lines = ["-r more/requirements.txt", "--extra-index-url=https://u:p@h.invalid/s", "-f wheels"]
    source.write_text(f"dependencies: [python, {{pip: {lines}}}]\n")
    read = read_environment(source)
    options = read.pip_options
    assert (options.prereleases, options.constraints) == (True, ["helper<2"])
    assert read.pip == ("tool >=1",)
    assert [item.path for item in read.own] == [tmp_path / "more/lib"]
    assert options.extra_indexes == ["https://u:p@h.invalid/s"]
    assert options.find_links == [str(tmp_path / "wheels")]
    assert "u:p" not in repr(read)
    for line, words in {
        "--no-binary=tool": "option --no-binary of pip is not understood",
        "-r absent.txt": "cannot read",
        "--pre=1": "--pre takes no value",
        "--index-url": "--index-url needs a value",
    }.items():
        error = _problem(tmp_path, f"dependencies: [python, {{pip: ['{line}']}}]\n")
        assert words in str(error)


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Several problems are told together, each with its place."""
    error = _problem(tmp_path, "chanels: [x]\ndependencies: [3, 'a b c d']\n")
    assert "has 3 problems" in str(error)
    assert len(error.details) == 3
    assert all(str(tmp_path / "environment.yml") in line for line in error.details)
