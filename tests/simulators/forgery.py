"""Tarballs whose bill agrees with them and which must be refused all the same."""

import hashlib
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lading.format.compression import Format, Level, compressor
from lading.format.seekable import SeekEntry, render_tail
from lading.system.digest import sha256_of

__all__ = ["Forged", "Forgery", "forged_file", "forged_link"]

Document = dict[str, object]


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
    """A tarball of one frame.

    `edit` changes the bill, before it is put inside or beside; `padding` takes the place of zeros;
    `trailing` follows the end of the archive inside of the frame, `behind` follows everything.
    """

    members: tuple[Forged, ...]
    edit: Callable[[Document], None] = lambda _document: None
    trailing: bytes = b""
    behind: bytes = b""
    format: Format = Format.ZSTD

    def write(self, path: Path) -> Path:
        """Write it to `path`, its bill beside it where the format has no place for one inside."""
        content = b"".join(
            member.header + member.content + bytes(-len(member.content) % 512)
            for member in self.members
        )
        content += bytes(1024) + self.trailing
        engine = compressor(self.format, Level.FAST, len(content))
        frame = engine.feed(content) + engine.finish()
        document = self._document(frame, len(content))
        self.edit(document)
        bill = json.dumps(document).encode()
        if self.format is not Format.ZSTD:
            path.write_bytes(frame + self.behind)
            path.with_name(f"{path.name}.manifest.json").write_bytes(bill)
            return path
        tail = render_tail(bill, [SeekEntry(len(frame), len(content))])
        path.write_bytes(frame + tail + self.behind)
        return path

    def _document(self, frame: bytes, size: int) -> Document:
        entries = [member.entry for member in self.members if member.entry is not None]
        placed = {
            "offset": 0,
            "length": len(frame),
            "size": size,
            "sha256": sha256_of(frame).hex,
            "files": len(entries),
        }
        return {
            "format": "lading-pack-manifest",
            "version": 1,
            "environment": "evil",
            "platform": "linux-64",
            "lock": "0" * 64,
            "lading": "0",
            "frame_format": 1,
            "compressor": {},
            "bytecode": False,
            "requirements": {},
            "packages": [
                {"name": "", "manager": "environment", "mtime": 0, "frames": [placed]},
            ],
            "files": entries,
        }
