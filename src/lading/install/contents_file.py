"""The contents of a finished installation, kept beside its bill.

To pack an environment again, its contents need not be worked out again: reading tens of thousands
of path entries takes longer than copying cached frames. What the file says was true when installing
ended; each file is held against its digest again when it is read for a tarball.
"""

from pathlib import Path

import msgspec

from lading.digest import Digest, sha256_of
from lading.errors import NotAPrefixError
from lading.install.cargo import Cargo, CargoFile, Kind, PythonLayout
from lading.install.contents import Contents
from lading.install.package_info import FileMode

__all__ = ["CONTENTS_NAME", "read_contents_file", "write_contents_file"]

CONTENTS_NAME = "contents.msgpack"


class _File(msgspec.Struct, frozen=True, array_like=True):
    path: str
    kind: Kind
    place: str
    content: bytes | None
    executable: bool
    target: str
    sha256: str
    size: int | None
    placeholder: str
    mode: FileMode


class _Cargo(msgspec.Struct, frozen=True, array_like=True):
    name: str
    version: str
    build: str
    manager: str
    url: str
    sha256: str
    license: str
    mtime: int
    files: tuple[_File, ...]


class _Python(msgspec.Struct, frozen=True, array_like=True):
    version: str
    site_packages: str
    executable: str
    digest: str


class _Contents(msgspec.Struct, frozen=True, array_like=True):
    cargoes: tuple[_Cargo, ...]
    python: _Python | None
    clobbered: dict[str, tuple[str, ...]]


def write_contents_file(directory: Path, contents: Contents) -> Digest:
    """Write the contents into `directory`; the digest of what was written."""
    python = contents.python
    data = msgspec.msgpack.encode(
        _Contents(
            cargoes=tuple(_cargo_row(cargo) for cargo in contents.cargoes),
            python=_Python(python.version, python.site_packages, python.executable, python.digest)
            if python is not None
            else None,
            clobbered=dict(contents.clobbered),
        )
    )
    (directory / CONTENTS_NAME).write_bytes(data)
    return sha256_of(data)


def _cargo_row(cargo: Cargo) -> _Cargo:
    return _Cargo(
        cargo.name,
        cargo.version,
        cargo.build,
        cargo.manager,
        cargo.url,
        cargo.sha256.hex if cargo.sha256 is not None else "",
        cargo.license,
        cargo.mtime,
        tuple(_file_row(item) for item in cargo.files),
    )


def _file_row(item: CargoFile) -> _File:
    return _File(
        item.path,
        item.kind,
        item.place,
        item.content,
        item.executable,
        item.target,
        item.sha256.hex if item.sha256 is not None else "",
        item.size,
        item.placeholder,
        item.mode,
    )


def read_contents_file(directory: Path, digest: str) -> Contents:
    """The contents that were written into `directory`.

    Args:
        directory: Of the installation.
        digest: What the bill says of the file, hexadecimal.

    Raises:
        NotAPrefixError: The file is missing or is not the one that the bill was written with.
    """
    path = directory / CONTENTS_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotAPrefixError(f"{path}: {error.strerror}", hint=_AGAIN) from error
    if sha256_of(data).hex != digest:
        raise NotAPrefixError(f"{path} was changed", hint=_AGAIN)
    rows = msgspec.msgpack.decode(data, type=_Contents)
    python = rows.python
    return Contents(
        cargoes=tuple(_cargo_of(row) for row in rows.cargoes),
        python=PythonLayout(python.version, python.site_packages, python.executable, python.digest)
        if python is not None
        else None,
        clobbered=rows.clobbered,
    )


_AGAIN = "run `lading install --force`"


def _cargo_of(row: _Cargo) -> Cargo:
    return Cargo(
        name=row.name,
        version=row.version,
        build=row.build,
        manager=row.manager,
        url=row.url,
        sha256=Digest.sha256(row.sha256) if row.sha256 else None,
        license=row.license,
        mtime=row.mtime,
        files=tuple(_file_of(item) for item in row.files),
    )


def _file_of(row: _File) -> CargoFile:
    return CargoFile(
        path=row.path,
        kind=row.kind,
        place=row.place,
        content=row.content,
        executable=row.executable,
        target=row.target,
        sha256=Digest.sha256(row.sha256) if row.sha256 else None,
        size=row.size,
        placeholder=row.placeholder,
        mode=row.mode,
    )
