"""Tarballs whose bill agrees with them and which must be refused all the same."""

import hashlib
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lading.format.compression import Format, Level, compress
from lading.format.ending import render_bill_member
from lading.format.frames import list_member
from lading.format.seekable import SeekEntry, render_seek_table, render_skippable
from lading.system.digest import sha256_of

__all__ = ["Document", "Forged", "Forgery", "ending", "forged_file", "forged_link"]

Document = dict[str, object]
LIST_PATH = "conda-meta/lading/files/environment.json"


@dataclass(frozen=True, slots=True)
class Forged:
    """A member: its tar header, its content, and its entry on the bill (None: not on it)."""

    header: bytes
    content: bytes
    entry: Mapping[str, object] | None


def tar_header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    """A header as lading itself would write it."""
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, target
    info.mode = 0o777 if kind == tarfile.SYMTYPE else 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def forged_file(name: str, content: bytes = b"payload", header: bytes | None = None) -> Forged:
    """A file as billed, unless another `header` stands before it."""
    entry = {
        "path": name,
        "type": "file",
        "mode": "0644",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return Forged(header or tar_header(name, len(content)), content, entry)


def forged_link(name: str, target: str) -> Forged:
    """A symbolic link as billed."""
    entry = {"path": name, "type": "link", "mode": "0777", "target": target}
    return Forged(tar_header(name, 0, tarfile.SYMTYPE, target), b"", entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """A tarball of one frame, that of the environment's own files.

    `relist` changes the file list, `edit` the bill, each before it is put inside, and each digest
    is that of what was put there; `trailing` follows the members inside of their frame,
    `after_end` the end of the archive inside of the last frame, `behind` everything.
    """

    members: tuple[Forged, ...]
    relist: Callable[[Document], None] = lambda _document: None
    edit: Callable[[Document], None] = lambda _document: None
    trailing: bytes = b""
    after_end: bytes = b""
    behind: bytes = b""
    format: Format = Format.ZSTD

    def write(self, path: Path) -> Path:
        """Write it to `path`."""
        content = b"".join(
            member.header + member.content + bytes(-len(member.content) % 512)
            for member in self.members
        )
        content += self.trailing
        frame = self._compressed(content)
        entries = [member.entry for member in self.members if member.entry is not None]
        listed: Document = {"format": "lading-file-list", "version": 2, "mtime": 0}
        listed["files"] = entries
        self.relist(listed)
        file_list = json.dumps(listed).encode() + b"\n"
        list_frame = self._compressed(list_member(LIST_PATH, file_list, 0))
        document = bill_of(entries, (frame, len(content)), (list_frame, file_list))
        self.edit(document)
        bill = render_bill_member(json.dumps(document).encode() + b"\n", 0) + self.after_end
        sizes = [len(content), len(list_member(LIST_PATH, file_list, 0)), len(bill)]
        frames = [frame, list_frame, self._compressed(bill)]
        if not content:
            del frames[0], sizes[0]
        end = ending(self.format, frames, sizes)
        path.write_bytes(b"".join(frames) + end + self.behind)
        return path

    def _compressed(self, content: bytes) -> bytes:
        return compress(self.format, Level.FAST, content)


def ending(format_: Format, frames: Sequence[bytes], sizes: Sequence[int]) -> bytes:
    """What leads from the last byte to the last of `frames`, whose contents have these sizes."""
    checksum = struct.pack("<I", zlib.crc32(frames[-1]))
    if format_ is Format.GZIP:
        place = struct.pack("<Q", sum(map(len, frames[:-1])))
        field = struct.pack("<H2sH", 16, b"LB", 12) + place + checksum
        return b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff" + field + b"\x03\x00" + bytes(8)
    if format_ is Format.TAR:
        return b""
    entries = [SeekEntry(len(frame), size) for frame, size in zip(frames, sizes, strict=True)]
    return render_skippable(0x184D2A5C, checksum) + render_seek_table([*entries, SeekEntry(12, 0)])


def bill_of(
    entries: Sequence[Mapping[str, object]],
    frame: tuple[bytes, int],
    listed: tuple[bytes, bytes],
) -> Document:
    """The bill of one package: its frame and the size of its content; its list's frame and list."""
    data, size = frame
    list_frame, file_list = listed
    placed = {"offset": 0, "length": len(data), "size": size, "sha256": sha256_of(data).hex}
    sizes = [item.get("size", 0) for item in entries]
    package = {
        "name": "",
        "manager": "environment",
        "files": len(entries),
        "size": sum(number for number in sizes if isinstance(number, int)),
        "frames": [placed] if size else [],
        "list": {
            "offset": len(data) if size else 0,
            "length": len(list_frame),
            "size": len(file_list),
            "sha256": sha256_of(file_list).hex,
            "frame_sha256": sha256_of(list_frame).hex,
        },
    }
    return {
        "format": "lading-pack-manifest",
        "version": 2,
        "environment": "evil",
        "platform": "linux-64",
        "lock": "0" * 64,
        "lading": "0",
        "frame_format": 2,
        "compressor": {},
        "bytecode": False,
        "requirements": {},
        "mtime": 0,
        "packages": [package],
    }
