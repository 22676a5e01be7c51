"""The base installation of the running interpreter: its identity, and which of its files are cargo.

Works for a pyenv or source build (one prefix of its own), Debian's `/usr/bin/python3` (a standard
library without `site-packages`; everything else of `/usr` is not Python's) and a uv-managed
standalone build (libraries linked in, `/install` as build prefix). Reads only.

Not cargo: installed packages and their scripts, tests, bytecode, static libraries, and what would
pull a window system or Kerberos into the package (`tkinter`, `idlelib`, `turtle`, `nis`).
"""

from __future__ import annotations

import os
import platform
import re
import runpy
import sys
import sysconfig
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from demo_channel.failure import DemoChannelError
from demo_channel.package import EARLIEST, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHARED_ROOTS = frozenset({"/", "/usr", "/usr/local"})
"""Prefixes that are the same on every machine, and too common to be replaced blindly."""

_SUBDIRS = {"x86_64": "linux-64", "aarch64": "linux-aarch64", "ppc64le": "linux-ppc64le"}
_LEFT_OUT_DIRECTORIES = frozenset(
    [
        "__pycache__",
        "dist-packages",
        "idle_test",
        "idlelib",
        "site-packages",
        "test",
        "tests",
        "tkinter",
        "turtledemo",
    ]
)
_LEFT_OUT_NAMES = (
    "*.pyc",
    "*.a",
    "*.o",
    "libpython*",
    "turtle.py",
    # Configuration of the host, not of Python:
    "EXTERNALLY-MANAGED",
    "sitecustomize.py",
    "usercustomize.py",
    "_distutils_system_mod.py",
)
_LEFT_OUT_EXTENSIONS = re.compile(
    r"(_tkinter|nis|_test\w*|_ctypes_test|_xxtestfuzz|xxlimited\w*)\."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """What is known of the base installation.

    Attributes:
        target: Version, platform and build time.
        description: `sys.version`, one line: version, build and compiler.
        executable: Regular file of the interpreter, absolute, links resolved.
        stdlib: Directory of the standard library, absolute.
        dynload: Directory of its extension modules, absolute; None if all are built in.
        include: Directory of the C headers, absolute; may be missing.
        pkgconfig: Directory of the `.pc` files, absolute; may be missing.
        prefixes: The installation's own root, and the one it was compiled for; longest first.
        build_directories: Where it was compiled, absolute POSIX; longest first.
        is_debian: `site` and `sysconfig` carry Debian's patches.
    """

    target: Target
    description: str
    executable: Path
    stdlib: Path
    dynload: Path | None
    include: Path
    pkgconfig: Path
    prefixes: tuple[str, ...]
    build_directories: tuple[str, ...]
    is_debian: bool

    @property
    def machine_roots(self) -> tuple[str, ...]:
        """Paths of two components or more that may tell the machine; longest first."""
        roots = {*self.prefixes, *self.build_directories} - SHARED_ROOTS
        return _sort_roots(root for root in roots if root.count("/") > 1)


def read_interpreter() -> Interpreter:
    """The base installation of the interpreter that runs this program, in a venv or not.

    Raises:
        DemoChannelError: Not CPython on Linux of a known machine type, or a free-threaded build.
    """
    subdir = _SUBDIRS.get(platform.machine()) if sys.platform == "linux" else None
    if sys.implementation.name != "cpython" or sys.abiflags or subdir is None:
        message = (
            f"no demo channel for {platform.python_implementation()} {sys.abiflags} on"
            f" {sys.platform} {platform.machine()}"
        )
        raise DemoChannelError(
            message,
            hint="run with a plain CPython 3.11 or later on Linux",
        )
    stdlib = Path(sysconfig.get_path("stdlib"))
    compiled = _read_compiled_variables(stdlib)
    base = (sys.base_prefix, str(Path(sys.base_prefix).resolve()), compiled.get("prefix", ""))
    built = (os.path.normpath(compiled.get(key) or "/") for key in ("abs_builddir", "abs_srcdir"))
    return Interpreter(
        target=Target(
            version=platform.python_version(), subdir=subdir, timestamp=_read_build_time()
        ),
        description=" ".join(sys.version.split()),
        executable=Path(getattr(sys, "_base_executable", sys.executable)).resolve(),
        stdlib=stdlib,
        dynload=next((Path(p) for p in sys.path if p.endswith("/lib-dynload")), None),
        include=Path(sysconfig.get_config_var("INCLUDEPY") or "/nonexistent"),
        pkgconfig=Path(sysconfig.get_config_var("LIBPC") or "/nonexistent"),
        prefixes=_sort_roots(base),
        build_directories=_sort_roots(built),
        is_debian="deb_system" in sysconfig.get_scheme_names(),
    )


def list_cargo(interpreter: Interpreter) -> dict[PurePosixPath, Path]:
    """Every file of the installation that goes into the package.

    Returns:
        Prefix-relative path to the absolute regular file (links resolved), sorted by path.
    """
    series = interpreter.target.series
    library = PurePosixPath("lib", f"python{series}")
    cargo = {PurePosixPath("bin", f"python{series}"): interpreter.executable}
    for name in (f"pydoc{series}", f"python{series}-config"):
        for directory in (interpreter.executable.parent, Path(interpreter.prefixes[0], "bin")):
            if (directory / name).is_file():
                cargo[PurePosixPath("bin", name)] = (directory / name).resolve()
    trees = [
        (interpreter.stdlib, library),
        (interpreter.include, PurePosixPath("include", f"python{series}")),
    ]
    if interpreter.dynload is not None:
        trees.append((interpreter.dynload, library / "lib-dynload"))
    for source, destination in trees:
        cargo |= {destination / path: source / path for path in _list_tree(source)}
    for name in (f"python-{series}.pc", f"python-{series}-embed.pc"):
        if (interpreter.pkgconfig / name).is_file():
            cargo[PurePosixPath("lib", "pkgconfig", name)] = interpreter.pkgconfig / name
    return {path: cargo[path].resolve() for path in sorted(cargo)}


def is_left_out(path: PurePosixPath) -> bool:
    """Whether a file of the standard library stays behind.

    Args:
        path: Relative to the directory of the standard library, or of its extension modules.
    """
    return (
        not _LEFT_OUT_DIRECTORIES.isdisjoint(path.parts[:-1])
        or any(fnmatch(path.name, pattern) for pattern in _LEFT_OUT_NAMES)
        or (path.suffix == ".so" and _LEFT_OUT_EXTENSIONS.match(path.name) is not None)
    )


def _list_tree(root: Path) -> Iterator[PurePosixPath]:
    """Relative paths of the files of one tree that are not left out; broken links are skipped."""
    for directory, names, files in os.walk(root):
        names[:] = sorted(set(names) - _LEFT_OUT_DIRECTORIES)
        for name in sorted(files):
            path = PurePosixPath(Path(directory, name).relative_to(root).as_posix())
            if not is_left_out(path) and (root / path).is_file():
                yield path


def _read_compiled_variables(stdlib: Path) -> dict[str, str]:
    """The text variables of the build, as written when it was compiled; empty if there are none."""
    for path in sorted(stdlib.glob("_sysconfigdata_*.py")):
        variables = runpy.run_path(str(path))["build_time_vars"]
        return {key: value for key, value in variables.items() if isinstance(value, str)}
    return {}


def _read_build_time() -> int:
    """When the interpreter was compiled, in Unix milliseconds, taking its local time as UTC."""
    try:
        built = datetime.strptime(platform.python_build()[1], "%b %d %Y %H:%M:%S").replace(
            tzinfo=UTC
        )
    except ValueError:
        return EARLIEST
    return int(built.timestamp()) * 1000


def _sort_roots(roots: Iterable[str]) -> tuple[str, ...]:
    """Absolute roots without duplicates, longest first, so that no root hides a longer one."""
    absolute = {root for root in roots if root.startswith("/") and root != "/"}
    return tuple(sorted(absolute, key=lambda root: (-len(root), root)))
