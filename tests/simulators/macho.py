"""Small Mach-O files, and a stand-in for `codesign` that signs them as that does.

A file is *valid* if its signature matches its content: macOS starts no other. The stand-in is a
program of its own. It knows nothing of lading, and writes what `codesign` writes: a signature of
another length at the end of the file, its size in the header, and those of the last segment.
"""

import hashlib
import struct
import sys
from pathlib import Path

__all__ = ["is_valid", "signed", "standin", "universal"]

MAGIC, FAT = 0xFEEDFACF, 0xCAFEBABE
ARM64, X86_64 = 0x0100000C, 0x01000007
SEGMENT, SIGNATURE = 0x19, 0x1D
HEADER, SEGMENT_BYTES, SIGNATURE_BYTES = 32, 72, 16
PAGE = 4096
ALIGNED = 1 << 14
LINKEDIT = HEADER + SEGMENT_BYTES
"""Where the command of the last segment stands."""

SIGNED = HEADER + 2 * SEGMENT_BYTES
"""Where that of the signature stands."""


def signed(text: bytes, processor: int = ARM64) -> bytes:
    """A program whose code is `text`, signed by its linker."""
    code = text.ljust(-(-len(text) // 16) * 16, b"\0")
    start = PAGE
    commands = (
        _segment(b"__TEXT", 0, start + len(code))
        + _segment(b"__LINKEDIT", start + len(code), 0)
        + struct.pack("<4I", SIGNATURE, SIGNATURE_BYTES, start + len(code), 0)
    )
    header = struct.pack("<8I", MAGIC, processor, 0, 2, 3, len(commands), 0, 0)
    data = (header + commands).ljust(start, b"\0") + code
    return _signed_slice(data, b"linker-signed")


def universal(*parts: bytes) -> bytes:
    """One file of several architectures."""
    table, body, offset = b"", b"", ALIGNED
    for part in parts:
        processor = struct.unpack_from("<I", part, 4)[0]
        table += struct.pack(">5I", processor, 0, offset, len(part), 14)
        padded = part.ljust(-(-len(part) // ALIGNED) * ALIGNED, b"\0")
        body, offset = body + padded, offset + len(padded)
    body = body[: len(body) - len(padded) + len(parts[-1])]
    return (struct.pack(">2I", FAT, len(parts)) + table).ljust(ALIGNED, b"\0") + body


def is_valid(path: Path) -> bool:
    """Whether macOS would start a file: each signature in it matches."""
    return all(_is_valid_slice(part) for part in _slices(path.read_bytes()))


def standin(directory: Path, code: str = "") -> Path:
    """A program that is called as `codesign` is; `code` runs after it has signed `path`."""
    program = directory / "codesign"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"import macho\nfor path in macho.files_of(sys.argv[1:]):\n    macho.sign(path)\n{code}"
    )
    program.chmod(0o755)
    return program


def files_of(arguments: list[str]) -> list[Path]:
    """The files to sign; the options must be those of an ad hoc signature."""
    options = ["-s", "-", "-f", "--preserve-metadata=identifier,entitlements"]
    if arguments[:4] != options:
        raise SystemExit(f"unknown options: {arguments}")
    return [Path(item) for item in arguments[4:]]


def sign(path: Path) -> None:
    """Sign a file ad hoc, by a new file in its place."""
    data = path.read_bytes()
    parts = [_signed_slice(part, b"adhoc " + path.name.encode() * 9) for part in _slices(data)]
    new = path.with_name(f"{path.name}.cstemp")
    new.write_bytes(parts[0] if len(parts) == 1 else universal(*parts))
    new.replace(path)


def _segment(name: bytes, offset: int, size: int) -> bytes:
    numbers = struct.pack("<4Q4I", offset, size, offset, size, 7, 5, 0, 0)
    return struct.pack("<2I16s", SEGMENT, SEGMENT_BYTES, name) + numbers


def _slices(data: bytes) -> list[bytes]:
    if struct.unpack_from(">I", data)[0] != FAT:
        return [data]
    entries = struct.iter_unpack(">5I", data[8 : 8 + 20 * struct.unpack_from(">I", data, 4)[0]])
    return [data[offset : offset + size] for _, _, offset, size, _ in entries]


def _signed_slice(data: bytes, identifier: bytes) -> bytes:
    start = struct.unpack_from("<I", data, SIGNED + 8)[0]
    size = 8 + len(identifier) + 32 * -(-start // PAGE)
    new = bytearray(data[:start])
    struct.pack_into("<I", new, SIGNED + 12, size)
    struct.pack_into("<Q", new, LINKEDIT + 32, -(-size // ALIGNED) * ALIGNED)
    struct.pack_into("<Q", new, LINKEDIT + 48, size)
    return bytes(new) + struct.pack(">2I", 0xFADE0CC0, size) + identifier + _hashes(bytes(new))


def _is_valid_slice(data: bytes) -> bool:
    start, size = struct.unpack_from("<2I", data, SIGNED + 8)
    return len(data) == start + size and data.endswith(_hashes(data[:start]))


def _hashes(data: bytes) -> bytes:
    pages = (data[at : at + PAGE] for at in range(0, len(data), PAGE))
    return b"".join(hashlib.sha256(page).digest() for page in pages)
