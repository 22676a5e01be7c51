"""Records of channels and entries of locks, for tests to which only a few fields matter."""

from lading.conda.names import BuildString, PackageName, Platform
from lading.conda.records import RepodataRecord
from lading.lock.model import LockedPackage, Lockfile, Manager
from lading.system.digest import sha256_of

__all__ = ["locked", "lockfile", "record"]


def record(
    name: str = "tool", version: str = "1.0", build: str = "0", **fields: object
) -> RepodataRecord:
    """A record as a lock gives it; its digest is that of its name."""
    values: dict[str, object] = {
        "build_number": 0,
        "subdir": "linux-64",
        "channel": "https://demo.invalid/c",
        "sha256": sha256_of(name.encode()),
        **fields,
    }
    place = f"{values['channel']}/{values['subdir']}"
    values = {"url": f"{place}/{name}-{version}-{build}.conda", **values}
    return RepodataRecord(
        name=PackageName(name), version=version, build=BuildString(build), **values
    )


def locked(
    name: str, version: str = "1.0", manager: Manager = Manager.CONDA, **fields: object
) -> LockedPackage:
    """A package in a lock; its digest is that of its name."""
    conda = f"https://demo.invalid/c/noarch/{name}-{version}-0.conda"
    wheel = f"https://files.invalid/{name}-{version}-py3-none-any.whl"
    values: dict[str, object] = {
        "url": conda if manager is Manager.CONDA else wheel,
        "sha256": sha256_of(name.encode()),
        "dependencies": {},
        **fields,
    }
    return LockedPackage(name=name, version=version, manager=manager, **values)


def lockfile(*packages: LockedPackage, **fields: object) -> Lockfile:
    """A lock of `packages`."""
    values: dict[str, object] = {
        "platform": Platform.LINUX_64,
        "channels": (),
        "sources": (),
        "content_hash": "",
        "metadata": {},
        "digest": sha256_of(b"lock"),
        **fields,
    }
    return Lockfile(packages=packages, **values)
