"""Payload put together by hand: installations and tarballs without channel, lock or engine."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from lading.conda.names import Platform
from lading.conda.paths import FileMode, Kind
from lading.format.compression import Format, Level
from lading.format.opening import open_tarball
from lading.install.contents import PrefixContents, environment_payload
from lading.install.installer import Installed
from lading.install.plan import InstallPlan
from lading.install.record import FORMAT_VERSION, InstallRecord
from lading.lock.model import VIRTUAL_PACKAGES_KEY
from lading.node.unpack import apply_unpack, plan_unpack
from lading.pack.packer import Packed, PackRequest, apply_pack, plan_pack
from lading.package.payload import Payload, PayloadFile
from lading.system.digest import sha256_of
from lading.system.filesystem import no_sync
from simulators.records import lockfile

__all__ = ["file", "installed", "link", "pack", "payload", "snapshot", "unpack"]

PREFIX = Path("/build/prefix")


def file(
    path: str,
    data: bytes = b"",
    *,
    executable: bool = False,
    placeholder: str = "",
    mode: FileMode = FileMode.TEXT,
    directory: Path | None = None,
) -> PayloadFile:
    """A file with `data`; with a `directory` it lies there, as it must if it is to be relocated."""
    source = None
    if directory is not None:
        source = directory / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(data)
    return PayloadFile(
        path=path,
        place="" if source is None else str(source),
        content=data if source is None else None,
        executable=executable,
        sha256=sha256_of(data),
        size=len(data),
        placeholder=placeholder,
        mode=mode,
    )


def link(path: str, target: str) -> PayloadFile:
    """A symbolic link."""
    return PayloadFile(path=path, kind=Kind.LINK, target=target)


def payload(*files: PayloadFile, name: str = "tool", manager: str = "conda") -> Payload:
    """A package of `files`."""
    return Payload(
        name=name,
        version="1.0",
        manager=manager,
        sha256=sha256_of(name.encode()),
        mtime=1_700_000_000,
        files=tuple(sorted(files, key=lambda item: item.path)),
    )


def installed(
    payloads: Iterable[Payload],
    prefix: Path = PREFIX,
    platform: Platform = Platform.LINUX_64,
    virtual_packages: str = "",
) -> Installed:
    """An installation of `payloads` that was never carried out."""
    lock = lockfile(platform=platform, metadata={VIRTUAL_PACKAGES_KEY: virtual_packages})
    return Installed(
        plan=InstallPlan(
            environment="sample",
            lockfile=lock,
            directory=prefix.parent,
            conda=(),
            downloads=(),
            bytecode=False,
            is_current=True,
        ),
        record=InstallRecord(
            format=FORMAT_VERSION,
            lading="0",
            engine="none 0",
            environment="sample",
            platform=platform,
            lock=lock.digest.hex,
            bytecode=False,
            prefix=str(prefix),
            extracted={},
            contents="",
            listed=msgspec.Raw(b"[]"),
        ),
        contents=PrefixContents(
            payloads=(*payloads, environment_payload()), python=None, clobbered={}
        ),
    )


def pack(
    directory: Path,
    *payloads: Payload,
    format_: Format = Format.ZSTD,
    workers: int = 2,
    prefix: Path = PREFIX,
    platform: Platform = Platform.LINUX_64,
    virtual_packages: str = "",
) -> Packed:
    """The tarball of `payloads` in `directory`, which needs `virtual_packages`."""
    request = PackRequest(
        installed=installed(payloads, prefix, platform, virtual_packages),
        directory=directory,
        format=format_,
        level=Level.FAST,
        workers=workers,
    )
    return apply_pack(plan_pack(request))


def unpack(tarball: Path, prefix: Path, workers: int = 2) -> Path:
    """The prefix that `tarball` was unpacked to."""
    with open_tarball(tarball) as opened:
        apply_unpack(plan_unpack(opened, prefix, workers, sync=no_sync))
    return prefix


def snapshot(directory: Path) -> Mapping[str, tuple[str, int, bytes]]:
    """Path → kind, executable bit and content or link target, directories with files left out."""
    result = {}
    for path in directory.rglob("*"):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            result[name] = ("link", 0, str(path.readlink()).encode())
        elif path.is_file():
            result[name] = ("file", path.stat().st_mode & 0o111, path.read_bytes())
        elif not any(path.iterdir()):
            result[name] = ("directory", 0, b"")
    return result
