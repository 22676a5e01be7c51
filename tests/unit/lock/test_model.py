"""`lading.lock.model`: lockfiles are read whole, cleaned, or refused."""

from pathlib import Path

import pytest

from lading.errors import LockError
from lading.lock.model import Lockfile, Manager
from lading.lock.reading import read_lockfile

SECRET = "hunter2"  # noqa: S105  # looked for in what is read
SHA = "a" * 64
HEAD = """\
version: 1
metadata:
  content_hash: {linux-64: x}
  channels: [{url: https://host.invalid/c}]
  platforms: [linux-64]
"""


def _package(url: str = "https://host.invalid/c/noarch/a-1-0.conda", **more: str) -> str:
    fields = {
        "name": "a",
        "version": "'1'",
        "manager": "conda",
        "platform": "linux-64",
        "dependencies": "{}",
        "url": f"'{url}'",
        "hash": f"{{sha256: {SHA}}}",
        "category": "main",
        "optional": "false",
    }
    lines = [f"{key}: {value}" for key, value in (fields | more).items()]
    return "- " + "\n  ".join(lines) + "\n"


def _read(directory: Path, *packages: str, head: str = HEAD) -> Lockfile:
    path = directory / "x.conda-lock.yml"
    path.write_text(f"{head}package:\n{''.join(packages)}" if packages else f"{head}package: []\n")
    return read_lockfile(path)


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{SECRET}@host.invalid/c/noarch/a-1-0.conda",
        f"https://{SECRET}@host.invalid/c/noarch/a-1-0.conda",
        f"https://host.invalid/t/{SECRET}/c/noarch/a-1-0.conda",
        f"https://host.invalid/api/repo/t/{SECRET}/c/noarch/a-1-0.conda",
        f"https://host.invalid/c/noarch/a-1-0.conda?X-Amz-Signature={SECRET}",
    ],
)
def test_credentials_in_a_foreign_lock(tmp_path: Path, url: str) -> None:
    """A lock is cleaned when it is read, whatever wrote it."""
    head = HEAD.replace("https://host", f"https://u:{SECRET}@host")
    lock = _read(tmp_path, _package(url), head=head)
    assert SECRET not in repr(lock)
    assert lock.packages[0].url.endswith("/c/noarch/a-1-0.conda")
    assert lock.channels == ("https://host.invalid/c",)


def test_a_url_that_cannot_be_cleaned(tmp_path: Path) -> None:
    """What may hold a password in the wrong place is refused without an echo."""
    with pytest.raises(LockError, match="a URL is malformed") as caught:
        _read(tmp_path, _package(f"https://user:{SECRET}/x@host.invalid/c/noarch/a-1-0.conda"))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("lading-environment: ../../evil", "'../../evil' cannot name an environment"),
        ('lading-environment: "a\\e[31m"', "cannot name an environment"),
        ("lading-variable-X=1;touch pwned;Y: a", "cannot name a variable"),
        ('lading-variable-: ""', "cannot name a variable"),
    ],
)
def test_hostile_metadata(tmp_path: Path, key: str, message: str) -> None:
    """Names that a shell or a path would take for more are refused."""
    with pytest.raises(LockError, match=message) as caught:
        _read(tmp_path, head=f"{HEAD}  custom_metadata:\n    {key}\n")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "more",
    [
        {"name": '"a\\e[2J"'},
        {"version": '"1\\r"'},
        {"category": '"\\u202e"'},
        {"dependencies": '{"x\\n": y}'},
    ],
)
def test_escapes_in_names(tmp_path: Path, more: dict[str, str]) -> None:
    """Texts that would control a terminal are refused."""
    with pytest.raises(LockError, match="is not a lockfile: Expected `str` matching"):
        _read(tmp_path, _package(**more))


@pytest.mark.parametrize("needs", ["'': ''", "'[x]': ''", "'>=2': ''", "b: 'https://host::'"])
def test_a_dependency_without_a_name(tmp_path: Path, needs: str) -> None:
    """It is refused when the lock is read, not when the lock is used."""
    with pytest.raises(LockError, match=r"a: '.*' does not begin with a package name"):
        _read(tmp_path, _package(dependencies=f"{{{needs}}}"))


@pytest.mark.parametrize("digest", ["''", "null"])
def test_an_entry_without_a_sha256(tmp_path: Path, digest: str) -> None:
    """An md5 alone says what to fetch, not what is safe."""
    with pytest.raises(LockError, match="a is locked without a sha256"):
        _read(tmp_path, _package(hash=f"{{md5: {'a' * 32}, sha256: {digest}}}"))


def test_optional_categories(tmp_path: Path) -> None:
    """Entries of one package in several optional categories are one package."""
    lock = _read(
        tmp_path,
        _package(category="dev", optional="true"),
        _package(category="docs", optional="true"),
    )
    assert [item.categories for item in lock.packages] == [("dev", "docs")]
    assert "main" not in lock.packages[0].categories
    main = _read(tmp_path, _package(category="dev", optional="true"), _package())
    assert [item.categories for item in main.packages] == [("main",)]


def test_two_packages_of_one_name(tmp_path: Path) -> None:
    """A name that is locked twice is refused; by conda and by pip it is two packages."""
    other = _package("https://host.invalid/c/noarch/a-1-1.conda")
    with pytest.raises(LockError, match="lists a twice"):
        _read(tmp_path, _package(), other)
    wheel = _package("https://host.invalid/a-1-py3-none-any.whl", manager="pip")
    lock = _read(tmp_path, _package(), wheel)
    assert [item.manager for item in lock.packages] == [Manager.CONDA, Manager.PIP]


def test_what_lading_keeps(tmp_path: Path) -> None:
    """Name, variables and virtual packages stand in the metadata."""
    head = f"""{HEAD}  custom_metadata:
    lading-environment: service
    lading-variable-B: '2'
    lading-variable-A: '1'
    lading-virtual-packages: __glibc=2.28=0 __archspec=1=x86_64
"""
    lock = _read(tmp_path, head=head)
    assert lock.environment == "service"
    assert list(lock.variables.items()) == [("A", "1"), ("B", "2")]
    assert lock.virtual_packages == {"__glibc": "2.28", "__archspec": "1"}
    assert lock.needed_of_machine == lock.virtual_packages
    newer = _read(tmp_path, head=head.replace("1=x86_64", "1=x86_64_v3"))
    assert newer.needed_of_machine == {"__glibc": "2.28", "__archspec": "1=x86_64_v3"}
