"""Small environments in versions that share frames, packed without engine or network, for tests."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.conda.paths import FileMode, Kind
from lading.format.compression import Format, Level
from lading.format.contents import Contents, PackageContents
from lading.format.opening import open_tarball
from lading.pack.packer import Packed, PackRequest, apply_pack, plan_pack
from lading.package.payload import Payload, PayloadFile
from lading.verify.finding import Finding
from lading.verify.prefix import read_prefix_contents, verify_unpacked
from simulators.handmade import file, installed, link, payload

__all__ = [
    "PLACEHOLDER",
    "contents_of",
    "environment",
    "flip_bit",
    "leftovers",
    "pack_payloads",
    "package_of",
    "small_disk",
    "verified",
    "versioned_tarball",
]

PLACEHOLDER = "/build/" + "placehold_" * 20


def environment(sources: Path, version: str = "1") -> tuple[Payload, ...]:
    """Three packages; only the files of `tool` differ from version to version.

    They hold a plain file, a script and a library that name the prefix, a link and an empty
    directory.
    """
    name = PLACEHOLDER.encode()
    base = payload(
        file("share/base/data", bytes(range(256)) * 20),
        file(
            "lib/libbase.so.1",
            b"\x7fELF" + name + b"/lib\0" + bytes(50),
            placeholder=PLACEHOLDER,
            mode=FileMode.BINARY,
            directory=sources,
        ),
        link("lib/libbase.so", "libbase.so.1"),
        PayloadFile(path="var/empty", kind=Kind.DIRECTORY),
        name="base",
    )
    script = b"#!/bin/sh\necho " + name + b"/share " + version.encode() + b"\n"
    tool = payload(
        file(
            "bin/tool",
            script,
            executable=True,
            placeholder=PLACEHOLDER,
            directory=sources / version,
        ),
        file("share/tool/version", version.encode() * 100),
        name="tool",
    )
    other = payload(file("share/other/data", b"other" * 2000), name="zother")
    return base, tool, other


def pack_payloads(
    directory: Path,
    payloads: Sequence[Payload],
    *,
    format_: Format = Format.ZSTD,
    workers: int = 2,
) -> Packed:
    """The tarball of `payloads` in `directory`."""
    request = PackRequest(
        installed=installed(payloads),
        directory=directory,
        format=format_,
        level=Level.FAST,
        workers=workers,
    )
    return apply_pack(plan_pack(request))


def versioned_tarball(root: Path, version: str = "1", format_: Format = Format.ZSTD) -> Packed:
    """The tarball of a version of the environment, in `root/VERSION`."""
    return pack_payloads(root / version, environment(root / "sources", version), format_=format_)


def flip_bit(data: bytes, bit: int) -> bytes:
    """`data` with one bit the other way round."""
    result = bytearray(data)
    result[bit // 8] ^= 1 << bit % 8
    return bytes(result)


def verified(prefix: Path) -> Sequence[Finding]:
    """What is wrong with an unpacked environment; nothing, if all is well."""
    contents = read_prefix_contents(prefix, None)
    return verify_unpacked(prefix, contents).findings


def leftovers(directory: Path) -> list[str]:
    """The names below `directory` that begin with a dot, but for locks and histories."""
    return sorted(
        str(path.relative_to(directory))
        for path in directory.rglob(".*")
        if not path.name.endswith((".lock", ".versions"))
    )


def contents_of(packed: Packed) -> Contents:
    """What is in a tarball."""
    with open_tarball(packed.plan.tarball) as opened:
        return opened.contents()


def package_of(packed: Packed, name: str) -> PackageContents:
    """One package of a tarball."""
    [found] = [item for item in contents_of(packed).packages if item.package.name == name]
    return found


@contextmanager
def small_disk(place: Path, kilobytes: int = 64) -> Iterator[Callable[[], None]]:
    """A file system of its own at `place`; call what is given to make it read-only.

    Skips the test where this user may mount none.
    """
    place.mkdir(parents=True)
    argv = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this user mounts no file system: {done.stderr.strip()}")
    try:
        yield lambda: _remount_read_only(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _remount_read_only(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        (place / "x").touch()
