"""Packages made from the machine itself: `python`, `python_abi` and the C runtime libraries.

The `python` package carries every library outside of glibc that the interpreter loads, finds them
by relative RPATH, and holds no path of the machine: build paths in text become the placeholder, in
binary files a neutral path of the same length. The libraries that wheels expect from the system too
(`elf.RUNTIME_PACKAGES`) are packages of their own, so that nothing is carried twice.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from demo_channel.elf import (
    MAGIC,
    RUNTIME_PACKAGES,
    neutralise,
    read_needed,
    render_rpath,
    run_ldd,
    run_patchelf,
)
from demo_channel.failure import DemoChannelError
from demo_channel.interpreter import SHARED_ROOTS
from demo_channel.package import PLACEHOLDER, About, Noarch, Package, PackageFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo_channel.interpreter import Interpreter
    from demo_channel.package import Target

NEUTRAL_BUILD_DIRECTORY = "/nonexistent/python-build"
"""What text files say instead of the directory in which the interpreter was compiled."""

_README = b"This directory exists so that third-party packages can be installed here.\n"
_SHEBANG = re.compile(rb"\A#! ?/\S*python\S*")
_BUILD_PRODUCT = re.compile(
    r"bin/.*|lib/pkgconfig/.*|lib/python[^/]+/(config-.*|_sysconfig\w*[^/]*|build-details\.json)"
)
_PLAIN_SITE = b'''"""Use site-packages: this copy of Python is not the distribution's.

Here and not in site.py, because the interpreter carries a frozen copy of that module.
"""

import os
import site
import sys


def getsitepackages(prefixes=None):
    """Return the site-packages directory of each prefix."""
    version = "python%d.%d" % sys.version_info[:2]
    return [
        os.path.join(prefix, "lib", version, "site-packages")
        for prefix in dict.fromkeys(site.PREFIXES if prefixes is None else prefixes)
    ]


site.getsitepackages = getsitepackages
for directory in getsitepackages():
    if os.path.isdir(directory):
        site.addsitedir(directory)
'''
_PLAIN_SYSCONFIG = '''

def _get_preferred_schemes():
    """Return upstream's schemes: this copy of Python is not the distribution's."""
    return {"prefix": "posix_prefix", "home": "posix_home", "user": "posix_user"}

'''
_SYSCONFIG_ANCHOR = "\ndef get_preferred_scheme("


def build_python(interpreter: Interpreter, cargo: Mapping[PurePosixPath, Path]) -> Package:
    """The `python` package.

    Args:
        interpreter: Where the cargo comes from.
        cargo: Prefix-relative path to absolute source, as `list_cargo` gives it.

    Returns:
        A package of the platform's subdir, that depends on the C runtime packages it needs.

    Raises:
        DemoChannelError: A library is missing, or Debian's patches are unknown.
    """
    target = interpreter.target
    contents = {path: source.read_bytes() for path, source in cargo.items()}
    elf = {path: data for path, data in contents.items() if data.startswith(MAGIC)}
    libraries = run_ldd(cargo[path] for path in elf)
    runtime = {RUNTIME_PACKAGES[name] for name in libraries if name in RUNTIME_PACKAGES}
    carried = {name: path for name, path in libraries.items() if name not in RUNTIME_PACKAGES}
    elf |= {PurePosixPath("lib", name): path.read_bytes() for name, path in carried.items()}
    files = [
        PackageFile(path=path, data=neutralise(data, interpreter.machine_roots), executable=True)
        for path, data in relocate_binaries(elf, frozenset(libraries)).items()
    ]
    files += [
        _convert_text(path, data, interpreter) for path, data in contents.items() if path not in elf
    ]
    files.append(PackageFile(path=PurePosixPath(target.site_packages, "README.txt"), data=_README))
    if interpreter.is_debian:
        path = PurePosixPath("lib", f"python{target.series}", "sitecustomize.py")
        files.append(PackageFile(path=path, data=_PLAIN_SITE))
    files += _list_links({file.path for file in files}, target)
    return Package(
        name="python",
        version=target.version,
        build="0_cpython",
        subdir=target.subdir,
        depends=tuple(sorted(runtime)),
        constrains=(f"python_abi {target.series}.* *_cp{target.tag}",),
        timestamp=target.timestamp,
        about=About(summary="General purpose programming language", license="Python-2.0"),
        site_packages=target.site_packages,
        files=tuple(files),
        licenses={},
    )


def build_python_abi(target: Target) -> Package:
    """The `python_abi` package: no files, ties compiled packages to one series of CPython."""
    return Package(
        name="python_abi",
        version=target.series,
        build=f"2_cp{target.tag}",
        build_number=2,
        subdir="noarch",
        noarch=Noarch.GENERIC,
        constrains=(f"python {target.series}.*",),
        timestamp=target.timestamp,
        about=About(summary="Metapackage to select a Python ABI", license="BSD-3-Clause"),
        files=(),
        licenses={},
    )


def build_runtime(soname: str, source: Path, target: Target) -> Package:
    """The package of one C runtime library of this machine.

    Args:
        soname: Key of `RUNTIME_PACKAGES`.
        source: Absolute regular file; what follows `.so.` in its name is the version.
        target: Platform and time.
    """
    path = PurePosixPath("lib", soname)
    data = source.read_bytes()
    needed = read_needed(data)[0] & RUNTIME_PACKAGES.keys()
    data = relocate_binaries({path: data}, needed)[path]
    return Package(
        name=RUNTIME_PACKAGES[soname],
        version=source.name.rpartition(".so.")[2] or "0",
        build="0",
        subdir=target.subdir,
        depends=tuple(sorted(RUNTIME_PACKAGES[name] for name in needed)),
        timestamp=target.timestamp,
        about=About(summary=f"C runtime library {soname}"),
        files=(PackageFile(path=path, data=data, executable=True),),
        licenses={},
    )


def relocate_binaries(
    files: Mapping[PurePosixPath, bytes], available: frozenset[str]
) -> dict[PurePosixPath, bytes]:
    """The same ELF files, with RPATHs that lead to the prefix's `lib` and nowhere else.

    Args:
        files: Prefix-relative path to content.
        available: Sonames that lie in `lib` of the prefix.

    Returns:
        Prefix-relative path to content; a file that needs none and had no RPATH is unchanged.
    """
    edits: dict[PurePosixPath, tuple[str, ...]] = {}
    for path, data in files.items():
        needed, has_rpath = read_needed(data)
        if needed & available:
            edits[path] = ("--force-rpath", "--set-rpath", render_rpath(path))
        elif has_rpath:
            edits[path] = ("--remove-rpath",)
    with tempfile.TemporaryDirectory(prefix="demo-channel-") as temporary:
        for path in edits:
            Path(temporary, path).parent.mkdir(parents=True, exist_ok=True)
            Path(temporary, path).write_bytes(files[path])
        run_patchelf(edits, Path(temporary))
        return {
            path: Path(temporary, path).read_bytes() if path in edits else data
            for path, data in files.items()
        }


def relocate_text(
    data: bytes, prefixes: tuple[str, ...], build_directories: tuple[str, ...]
) -> bytes:
    """The same text with the build prefix as placeholder and the build directory gone.

    Args:
        data: Whole content of one text file.
        prefixes: Absolute POSIX roots, longest first; of a shared one (`/usr`) what is Python's.
        build_directories: Absolute POSIX roots, longest first.
    """
    for root in build_directories:
        data = re.sub(
            re.escape(root.encode()) + rb"(?![\w.-])", NEUTRAL_BUILD_DIRECTORY.encode(), data
        )
    for root in prefixes:
        pattern = re.escape(root.encode()) + rb"(?![\w.-])"
        if root in SHARED_ROOTS:
            pattern = (
                rb"(?:(?<![\w/.-])|(?<=-[IL]))" + re.escape(root.encode()) + rb"(?=['\"\s:]|$"
                rb"|/(?:bin|lib|include|share)(?:['\"\s]|$)"
                rb"|/(?:bin|lib|include)/(?:[\w-]+/)?(?:lib)?python)"
            )
        data = re.sub(pattern, PLACEHOLDER.encode(), data)
    return data


def plain_sysconfig(text: str) -> str:
    """Debian's `sysconfig` with upstream's installation schemes as default again.

    Args:
        text: Source text; the function concerned is defined again, between Debian's own and its
            first use.

    Raises:
        DemoChannelError: The module has not the shape that is expected.
    """
    before, found, after = text.partition(_SYSCONFIG_ANCHOR)
    if not found:
        message = "the distribution's sysconfig is not understood"
        raise DemoChannelError(
            message,
            hint="run with a CPython that is not Debian's, such as one from pyenv",
        )
    return f"{before}{_PLAIN_SYSCONFIG}{found}{after}"


def _convert_text(path: PurePosixPath, data: bytes, interpreter: Interpreter) -> PackageFile:
    """One file of the package that is not ELF; the placeholder is recorded where it occurs."""
    series = interpreter.target.series
    own = tuple(root for root in interpreter.prefixes if root not in SHARED_ROOTS)
    if path.parts[0] == "bin":
        data = _SHEBANG.sub(f"#!{PLACEHOLDER}/bin/python{series}".encode(), data)
    if _BUILD_PRODUCT.fullmatch(str(path)):
        data = relocate_text(data, interpreter.prefixes, interpreter.build_directories)
    elif any(root.encode() in data for root in own):
        data = relocate_text(data, own, ())
    library = PurePosixPath("lib", f"python{series}")
    if interpreter.is_debian and path in {
        library / "sysconfig.py",
        library / "sysconfig/__init__.py",
    }:
        data = plain_sysconfig(data.decode()).encode()
    return PackageFile(
        path=path,
        data=data,
        executable=path.parts[0] == "bin",
        has_placeholder=PLACEHOLDER.encode() in data,
    )


def _list_links(paths: set[PurePosixPath], target: Target) -> list[PackageFile]:
    """The usual short names beside the versioned ones, as relative links."""
    names = {
        "bin/python": f"python{target.series}",
        "bin/python3": f"python{target.series}",
        "bin/python3-config": f"python{target.series}-config",
        "bin/pydoc": f"pydoc{target.series}",
        "bin/pydoc3": f"pydoc{target.series}",
        f"lib/libpython{target.series}.so": f"libpython{target.series}.so.1.0",
    }
    links = [
        PackageFile(path=PurePosixPath(link), link_target=PurePosixPath(name))
        for link, name in names.items()
    ]
    return [link for link in links if link.path.parent / str(link.link_target) in paths]
