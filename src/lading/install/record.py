"""The install record: what a finished installation consists of, written last.

A prefix without its record beside it was not completed and counts as absent. With it, the prefix
can be verified, and packed without asking the engine again.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from lading.conda import Kind
from lading.errors import InputError, NotAPrefixError, raised_as
from lading.package import Payload, PayloadFile
from lading.system import decode_json, sha256_of_file, write_atomically

INSTALL_RECORD_NAME = "install.json"
FORMAT_VERSION = 3


class RecordedFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One path of an installed prefix.

    Attributes:
        path: Prefix-relative, POSIX.
        kind: `file`, `link` or `directory`.
        owner: Name of the package that put it there; empty for the environment's own.
        sha256: Hexadecimal, of the file as installed; empty for links and directories.
        size: In bytes, of the file as installed.
    """

    path: str
    kind: Kind
    owner: str
    sha256: str = ""
    size: int = 0
    target: str = ""


class InstallRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished installation consists of.

    Attributes:
        engine: Name and version of the engine, for people; nothing depends on it.
        lock: SHA-256 of the lockfile, hexadecimal.
        categories: Those that were chosen of it, sorted; empty where all of it was installed.
        prefix: Absolute path of the prefix.
        extracted: Distribution string → extracted package directory, absolute.
        contents: SHA-256 of the contents file beside it, hexadecimal.
        listed: The JSON of `files`, decoded on demand: there are tens of thousands of them.
    """

    format: int
    lading: str
    engine: str
    environment: str
    platform: str
    lock: str
    bytecode: bool
    prefix: str
    extracted: dict[str, str]
    contents: str
    listed: msgspec.Raw = msgspec.field(name="files")
    link_scripts: bool = False
    editable: bool = False
    categories: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[RecordedFile, ...]:
        """All paths of the prefix, sorted; unique.

        Raises:
            NotAPrefixError: The record is damaged there.
        """
        with raised_as(
            NotAPrefixError,
            f"the install record of {self.prefix} is damaged",
            f"run `lading install --force {self.environment}`",
            msgspec.DecodeError,
        ):
            return decode_json(self.listed, tuple[RecordedFile, ...])


def list_files(payloads: Iterable[Payload], prefix: Path) -> msgspec.Raw:
    """The result of `record_files`, encoded as the record holds it."""
    return msgspec.Raw(msgspec.json.encode(record_files(payloads, prefix)))


def record_files(payloads: Iterable[Payload], prefix: Path) -> tuple[RecordedFile, ...]:
    """List the files of the payloads as they lie in `prefix`.

    A file with a placeholder, or without a digest in its package, is hashed in the prefix; all
    others have the digest of their package, whatever the engine may have written.
    """
    result = [
        _recorded(item, payload.name if payload.manager != "environment" else "", prefix)
        for payload in payloads
        for item in payload.files
    ]
    return tuple(sorted(result, key=lambda item: item.path))


def _recorded(item: PayloadFile, owner: str, prefix: Path) -> RecordedFile:
    if item.kind is not Kind.FILE:
        return RecordedFile(path=item.path, kind=item.kind, owner=owner, target=item.target)
    if item.placeholder or item.sha256 is None or item.size is None:
        path = prefix / item.path
        digest, size = sha256_of_file(path), path.stat().st_size
    else:
        digest, size = item.sha256, item.size
    return RecordedFile(path=item.path, kind=item.kind, owner=owner, sha256=digest.hex, size=size)


def write_install_record(directory: Path, record: InstallRecord) -> None:
    """Write `install.json` into `directory`, by rename."""
    write_atomically(directory / INSTALL_RECORD_NAME, msgspec.json.encode(record))


def read_install_record(directory: Path) -> InstallRecord | None:
    """Read the record of the installation in `directory`; None where none was completed.

    Raises:
        NotAPrefixError: The record is damaged.
        InputError: It cannot be read.
    """
    path = directory / INSTALL_RECORD_NAME
    try:
        record = decode_json(path.read_bytes(), InstallRecord)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}", hint=f"delete {directory} and install again"
        ) from error
    except msgspec.DecodeError as error:
        if _format_of(path) not in {None, FORMAT_VERSION}:
            # Of another lading: what it installed is installed again.
            return None
        raise NotAPrefixError(
            f"{path} is damaged: {error}", hint=f"delete {directory} and install again"
        ) from error
    return record if record.format == FORMAT_VERSION else None


class _Versioned(msgspec.Struct):
    format: int


def _format_of(path: Path) -> int | None:
    """The format version of a record that cannot be read, or None."""
    try:
        return decode_json(path.read_bytes(), _Versioned).format
    except (OSError, msgspec.DecodeError):
        return None
