"""Open a tarball, wherever it is: in a file, on a server, or in a pipe.

with open_tarball(Path("env.tar.zst")) as source:
print(source.bill.digest, len(source.bill.manifest.files))
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from lading.errors import ArchiveError, InputError, PrefixError, UsageError
from lading.format.bill import (
    CHECKSUMS_SUFFIX,
    MANIFEST_SUFFIX,
    Bill,
    beside,
    check_against_checksums,
    parse_bill,
    read_bill,
    read_document,
)
from lading.format.compression import Format, format_of
from lading.format.frame_reader import FETCH_AGAIN
from lading.format.remote import is_remote, open_remote_tarball
from lading.format.tarball import SeekableFile, TarballSource, bill_alone, piped_tarball

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
) -> Iterator[TarballSource]:
    """The tarball, open, with its bill checked.

    Args:
        tarball: Path of a `.tar.zst`, `.tar.gz` or `.tar`; URL of a `.tar.zst` (http or https);
            or a stream. The path of a bill (`.json`) gives a source without frames.
        manifest: The bill's file; None means inside of a `.tar.zst`, beside the others.
        expected: SHA-256 that the bill must have, hexadecimal: it is compared before the bill is
            parsed. None accepts any bill.
        environment: Variables that name proxies and certificates, see `Transport`.
        spool: Directory for the copy of a stream without `manifest`: the bill is at its end. None
            means the directory for temporary files.

    Raises:
        InputError: There is no such file.
        ManifestError: The bill is missing or malformed.
        DigestMismatchError: It is not the expected bill, or not the one that a `.sha256` file
            beside it names.
        UnsafePathError: The bill lists something that must not be written.
        ArchiveError: The tarball is not one of lading, or is cut off.
        FetchError: The server does not send it, or does not support ranges.
        PrefixError: `spool` cannot be written.
        UsageError: `manifest` is given for a URL.
    """
    if not isinstance(tarball, str | os.PathLike):
        if manifest is None:
            with _spooled(tarball, spool) as file:
                yield file.inside(expected)
        else:
            yield piped_tarball(tarball, PIPE_NAME, read_bill(manifest, expected))
            # Let the writer finish, even if not everything was needed.
            while tarball.read(CHUNK_BYTES):
                pass
    elif is_remote(os.fspath(tarball)):
        if manifest is not None:
            raise UsageError(
                "the bill of a tarball on a server is read from inside",
                hint="leave out --manifest; --manifest-sha256 refuses any other bill",
            )
        with open_remote_tarball(os.fspath(tarball), environment) as file:
            yield file.inside(expected)
    elif os.fspath(tarball).endswith(".json"):
        yield bill_alone(os.fspath(tarball), read_bill(Path(tarball), expected))
    else:
        with _opened(Path(tarball)) as file:
            yield _with_bill(file, Path(tarball), manifest, expected)


@contextmanager
def _opened(path: Path) -> Iterator[SeekableFile]:
    try:
        # A named pipe must not make this wait for somebody who writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="name an existing tarball") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is not a regular file", hint="name an existing tarball")
        yield _file(str(path), descriptor, status.st_size)
    finally:
        os.close(descriptor)


def _file(name: str, descriptor: int, size: int) -> SeekableFile:
    read = partial(_pread, name, descriptor)
    format_ = format_of(read(4, 0)) or (Format.TAR if name.endswith(".tar") else None)
    if format_ is None:
        raise ArchiveError(
            f"{name} is neither tar.zst nor tar.gz nor tar", hint="name a tarball of lading"
        )
    return SeekableFile(name=name, size=size, format=format_, read=read)


def _pread(name: str, descriptor: int, length: int, offset: int) -> bytes:
    try:
        return os.pread(descriptor, length, offset)
    except OSError as error:
        raise ArchiveError(f"cannot read {name}: {error.strerror}", hint=FETCH_AGAIN) from error


def _with_bill(
    file: SeekableFile, path: Path, manifest: Path | None, expected: str | None
) -> TarballSource:
    if manifest is None and file.format is Format.ZSTD:
        source = file.inside(expected)
    else:
        place = manifest or beside(path, MANIFEST_SUFFIX)
        source = file.source(parse_bill(read_document(place), str(place), expected), file.tail())
    _check_checksums(source.bill, path)
    return source


def _check_checksums(bill: Bill, path: Path) -> None:
    name = beside(path, MANIFEST_SUFFIX).name
    check_against_checksums(bill, name, beside(path, CHECKSUMS_SUFFIX))


@contextmanager
def _spooled(stream: BinaryIO, directory: Path | None) -> Iterator[SeekableFile]:
    """The stream as a file; it has no name, so nothing is left however this process ends."""
    with _spool_errors(directory):
        copy = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115  # closed below
    with copy:
        with _spool_errors(directory):
            shutil.copyfileobj(stream, copy, CHUNK_BYTES)
            copy.flush()
        yield _file(PIPE_NAME, copy.fileno(), os.fstat(copy.fileno()).st_size)


@contextmanager
def _spool_errors(directory: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PrefixError(
            f"cannot copy {PIPE_NAME} to {directory or tempfile.gettempdir()}: {error.strerror}",
            hint="free space there, or name the manifest with --manifest: then no copy is needed",
        ) from error
