"""`lading.lock.diff`: what changed between two lockfiles."""

from lading.conda.names import Platform
from lading.lock.diff import LockDiff, diff_locks
from lading.lock.model import LockedPackage, Lockfile, Manager
from lading.system.digest import sha256_of


def _package(name: str, version: str, build: str = "0", manager: str = "conda") -> LockedPackage:
    file_name = f"{name}-{version}-{build}.conda"
    return LockedPackage(
        name=name,
        version=version,
        manager=Manager(manager),
        url=f"https://demo.invalid/channel/noarch/{file_name}",
        sha256=sha256_of(file_name.encode()),
        dependencies={},
    )


def _lock(*packages: LockedPackage) -> Lockfile:
    return Lockfile(
        platform=Platform.LINUX_64,
        channels=(),
        sources=(),
        content_hash="",
        packages=packages,
        metadata={},
        digest=sha256_of(b""),
    )


def test_first_lock() -> None:
    """Without a lock before, everything is added."""
    diff = diff_locks(None, _lock(_package("a", "1")))
    assert [item.name for item in diff.added] == ["a"]
    assert diff.removed == ()


def test_same() -> None:
    """The same archives are no difference."""
    assert LockDiff() == diff_locks(_lock(_package("a", "1")), _lock(_package("a", "1")))


def test_all_kinds() -> None:
    """Added, removed and changed packages, each sorted; the managers are kept apart."""
    before = _lock(_package("a", "1"), _package("b", "1"), _package("c", "1"), _package("p", "1"))
    after = _lock(
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
