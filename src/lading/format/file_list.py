"""The file list of one package: every member that it puts into an environment.

Its SHA-256 identifies what the package puts there, whatever compresses it. It stands in the tarball
and in the environment, at `list_path`, and the bill has its digest.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from lading.conda import FileMode, Kind
from lading.errors import DigestMismatchError, ManifestError, raised_as
from lading.format.relocation import LADING_DIRECTORY
from lading.format.tar_header import Header, render_header
from lading.system import decode_json, sha256_of

_Decoded = TypeVar("_Decoded")

FORMAT_NAME = "lading-file-list"
FORMAT_VERSION = 2
LISTS_DIRECTORY = f"{LADING_DIRECTORY}/files"
FETCH_AGAIN = "fetch the tarball again"


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One member.

    Attributes:
        path: Archive-relative, POSIX.
        type: `file`, `link` or `directory`.
        mode: Permission bits, octal text.
        size: Of the content in bytes.
        sha256: Of the content, hexadecimal; empty for links and directories.
        placeholder: What relocation replaces in the content, or empty.
        placeholder_mode: How; empty without a placeholder.
    """

    path: str
    type: Kind
    mode: str
    size: int = 0
    sha256: str = ""
    target: str = ""
    placeholder: str = ""
    placeholder_mode: FileMode | None = None

    def header(self, mtime: int) -> bytes:
        """The header blocks that stand before its content."""
        return render_header(
            Header(
                path=self.path,
                kind=self.type,
                size=self.size,
                executable=self.mode == "0755",
                mtime=mtime,
                target=self.target,
            )
        )


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """The file list of one package.

    Attributes:
        format: Always `lading-file-list`.
        mtime: Unix seconds that all its members carry.
        files: In the order of the archive.
    """

    format: str = FORMAT_NAME
    version: int = FORMAT_VERSION
    mtime: int
    files: tuple[ManifestFile, ...]


def list_path(manager: str, name: str) -> str:
    """Where the list of a package stands, archive-relative; the environment's own has no name."""
    return (
        f"{LISTS_DIRECTORY}/{manager}/{name}.json" if name else f"{LISTS_DIRECTORY}/{manager}.json"
    )


def render_file_list(mtime: int, files: Sequence[ManifestFile]) -> bytes:
    """The canonical bytes: JSON, keys sorted, UTF-8, no space, a final newline."""
    listed = FileList(mtime=mtime, files=tuple(files))
    return msgspec.json.encode(listed, order="sorted") + b"\n"


def check_document(document: bytes, size: int, sha256: str, name: str) -> None:
    """Refuse another document than the one with this size and digest.

    Raises:
        DigestMismatchError: It is another one.
    """
    found = sha256_of(document).hex
    if (len(document), found) != (size, sha256):
        raise DigestMismatchError(
            f"{name} does not match the bill", hint=FETCH_AGAIN, expected=sha256, actual=found
        )


class _Time(msgspec.Struct):
    """What the header of the list itself needs: reading all of it takes ten times as long."""

    mtime: int


def time_of_list(document: bytes, name: str) -> int:
    """The time that all members of the list in `document` carry; nothing else of it is read.

    Raises:
        ManifestError: It is malformed.
    """
    return _decode(document, _Time, name).mtime


def parse_file_list(document: bytes, name: str) -> FileList:
    """The file list in `document`, whose digest was compared; its members are not checked yet.

    Raises:
        ManifestError: It is malformed.
    """
    listed = _decode(document, FileList, name)
    if (listed.format, listed.version) != (FORMAT_NAME, FORMAT_VERSION):
        raise ManifestError(
            f"{name} has format {listed.format} {listed.version}",
            hint=f"this lading reads {FORMAT_NAME} {FORMAT_VERSION}",
        )
    return listed


def _decode(document: bytes, kind: type[_Decoded], name: str) -> _Decoded:
    with raised_as(ManifestError, f"{name} is not a file list", FETCH_AGAIN, ValueError):
        return decode_json(document, kind)
