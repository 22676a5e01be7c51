"""Open a tarball, wherever it is: in a file, on a server, or in a pipe.

with open_tarball(Path("env.tar.zst")) as source:
    print(source.bill.digest, len(source.contents().files))
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from lading.errors import ArchiveError, InputError, raised_as
from lading.format.bill import check_companions, read_bill
from lading.format.file_list import FETCH_AGAIN
from lading.format.places import is_remote
from lading.format.tarball import TarballFile, TarballSource, bill_alone
from lading.system import Progress, nearest, no_progress

CHUNK_BYTES = 1 << 20
PIPE_NAME = "standard input"


@contextmanager
def open_tarball(
    tarball: str | os.PathLike[str] | BinaryIO,
    *,
    manifest: Path | None = None,
    expected: str | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
    spool: Path | None = None,
    progress: Progress = no_progress,
) -> Iterator[TarballSource]:
    """The tarball, open, with its bill checked.

    Args:
        tarball: Path or URL (http or https) of a `.tar.zst`, `.tar.gz` or `.tar`; or a stream. The
            path of a bill (`.json`) gives a source without frames.
        manifest: The bill's file: the tarball must carry the same. None means any.
        expected: SHA-256 that the bill must have, hexadecimal: it is compared before the bill is
            parsed. None accepts any bill.
        environment: Variables that name proxies and certificates, see `Transport`.
        spool: Directory for the copy of a stream, or of what a server sends only as a whole: the
            bill is at its end. None means the directory for temporary files.
        progress: Told of the megabytes that are copied there.

    Raises:
        InputError: There is no such file.
        ManifestError: The bill is missing or malformed.
        DigestMismatchError: It is not the expected bill, or not the one that a `.sha256` file
            beside it names.
        ArchiveError: The tarball is not one of lading, or is cut off.
        FetchError: The server does not send it.
        PrefixError: `spool` cannot be written.
    """
    if isinstance(tarball, str | os.PathLike) and os.fspath(tarball).endswith(".json"):
        yield bill_alone(os.fspath(tarball), read_bill(Path(tarball), expected))
        return
    given = read_bill(manifest, expected) if manifest is not None else None
    if not isinstance(tarball, str | os.PathLike):
        with _spooled(tarball, spool, progress) as file:
            yield file.source(expected, given)
    elif is_remote(os.fspath(tarball)):
        from lading.format.remote import open_remote_tarball  # noqa: PLC0415  # slow to load

        with open_remote_tarball(os.fspath(tarball), environment, spool, progress) as file:
            yield file.source(expected, given)
    else:
        with _opened(Path(tarball)) as file:
            source = file.source(expected, given)
            check_companions(source.bill, Path(tarball))
            yield source


@contextmanager
def _opened(path: Path) -> Iterator[TarballFile]:
    with raised_as(InputError, path, _existing(path)):
        # A named pipe must not make this wait for somebody who writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise InputError(f"{path} is {kind}", hint=_existing(path))
        yield _file(str(path), descriptor)
    finally:
        os.close(descriptor)


def _existing(path: Path) -> str:
    """What to name instead of `path`."""
    near = path / "dist" if path.is_dir() else path.parent
    names = [item.name for item in near.glob("*") if item.is_file()]
    for name in nearest(path.name, names):
        return f"did you mean {near / name}?"
    return "name a tarball that `lading pack` wrote"


def _file(name: str, descriptor: int) -> TarballFile:
    size = os.fstat(descriptor).st_size
    return TarballFile(name=name, size=size, read=partial(_pread, name, descriptor))


def _pread(name: str, descriptor: int, offset: int, length: int) -> bytes:
    with raised_as(ArchiveError, f"cannot read {name}", FETCH_AGAIN):
        return os.pread(descriptor, length, offset)


@contextmanager
def _spooled(stream: BinaryIO, directory: Path | None, progress: Progress) -> Iterator[TarballFile]:
    from lading.format.remote import spooled  # noqa: PLC0415  # slow to load

    chunks = iter(lambda: stream.read(CHUNK_BYTES), b"")
    with spooled(chunks, directory, PIPE_NAME, progress) as descriptor:
        yield _file(PIPE_NAME, descriptor)
