"""`lading.lock.diff`: what changed between two lockfiles."""

from lading.lock.diff import LockDiff, diff_locks
from lading.lock.model import LockedPackage, Manager
from lading.system.digest import sha256_of
from simulators.records import locked, lockfile


def _package(name: str, version: str, build: str = "0", manager: str = "conda") -> LockedPackage:
    file_name = f"{name}-{version}-{build}.conda"
    url = f"https://demo.invalid/channel/noarch/{file_name}"
    digest = sha256_of(file_name.encode())
    return locked(name, version, Manager(manager), url=url, sha256=digest)


def test_firstlockfile() -> None:
    """Without a lock before, everything is added."""
    diff = diff_locks(None, lockfile(_package("a", "1")))
    assert [item.name for item in diff.added] == ["a"]
    assert diff.removed == ()


def test_same() -> None:
    """The same archives are no difference."""
    assert LockDiff() == diff_locks(lockfile(_package("a", "1")), lockfile(_package("a", "1")))


def test_all_kinds() -> None:
    """Added, removed and changed packages, each sorted; the managers are kept apart."""
    before = lockfile(
        _package("a", "1"), _package("b", "1"), _package("c", "1"), _package("p", "1")
    )
    after = lockfile(
        _package("d", "1"),
        _package("c", "1", "1"),
        _package("b", "2"),
        _package("p", "1", manager="pip"),
    )
    diff = diff_locks(before, after)
    assert [(item.manager, item.name) for item in diff.added] == [("conda", "d"), ("pip", "p")]
    assert [(item.manager, item.name) for item in diff.removed] == [("conda", "a"), ("conda", "p")]
    assert [(item.name, item.before, item.after) for item in diff.changed] == [
        ("b", "1", "2"),
        ("c", "1", "1"),
    ]
    assert (
        diff.changed[1].before_file,
        diff.changed[1].after_file,
    ) == ("c-1-0.conda", "c-1-1.conda")
