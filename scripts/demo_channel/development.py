"""What compiled packages bring for developers: files that name the prefix.

conda-forge's packages of libraries hold hundreds of files with a placeholder: what `pkg-config` and
CMake read, `*-config` scripts, and the directory of certificates that a library was compiled with.
Wheels have none of them, so they are written here, about the libraries that are really there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from demo_channel.elf import MAGIC
from demo_channel.package import PLACEHOLDER, PackageFile

if TYPE_CHECKING:
    from demo_channel.package import Package

CERTIFICATES = f"\0{PLACEHOLDER}/ssl\0{PLACEHOLDER}/ssl/cert.pem\0".encode()
"""Stands behind the last section of a library, where the loader does not look."""

_PKG_CONFIG = """\
prefix={prefix}
exec_prefix=${{prefix}}
libdir=${{prefix}}/{directory}
includedir=${{prefix}}/include

Name: {name}
Description: {summary}
Version: {version}
Libs: -L${{libdir}}
Cflags: -I${{includedir}}
"""
_CMAKE_PACKAGE = """\
# The libraries of {name} {version}.
set({name}_PREFIX "{prefix}")
file(GLOB _targets "{prefix}/lib/cmake/{name}/*-targets.cmake")
foreach(_file IN LISTS _targets)
  include("${{_file}}")
endforeach()
"""
_CMAKE_TARGET = """\
add_library({name}::{target} MODULE IMPORTED)
set_target_properties({name}::{target} PROPERTIES
  IMPORTED_LOCATION "{prefix}/{path}"
  INTERFACE_INCLUDE_DIRECTORIES "{prefix}/include")
"""
_CONFIG_SCRIPT = """\
#!/bin/sh
prefix={prefix}
case "$1" in
  --prefix) echo "$prefix" ;;
  --libs) echo "-L$prefix/{directory}" ;;
  --version) echo "{version}" ;;
  *) echo "usage: {name}-config --prefix | --libs | --version" >&2; exit 1 ;;
esac
"""


def add_development_files(package: Package) -> Package:
    """The same package with files that name the prefix, for each of its libraries.

    Libraries in `lib` and in the `.libs` directories of wheels also hold a directory of
    certificates, as binary files with a placeholder do.
    """
    libraries = sorted(
        (file for file in package.files if ".so" in file.path.name and file.data[:4] == MAGIC),
        key=lambda file: str(file.path),
    )
    if not libraries:
        return package
    words = {
        "prefix": PLACEHOLDER,
        "name": package.name,
        "version": package.version,
        "summary": package.about.summary,
        "directory": str(libraries[0].path.parent),
    }
    cmake = PurePosixPath("lib/cmake", package.name)
    made = {
        PurePosixPath("lib/pkgconfig", f"{package.name}.pc"): _PKG_CONFIG.format(**words),
        cmake / f"{package.name}-config.cmake": _CMAKE_PACKAGE.format(**words),
        PurePosixPath("bin", f"{package.name}-config"): _CONFIG_SCRIPT.format(**words),
    }
    for file in libraries:
        target = ".".join(file.path.parts[1:])
        text = _CMAKE_TARGET.format(target=target, path=file.path, **words)
        made[cmake / f"{target}-targets.cmake"] = text
    present = {file.path for file in package.files}
    files = tuple(
        replace(file, data=file.data + CERTIFICATES, has_placeholder=True)
        if file in libraries and _is_shared(file.path)
        else file
        for file in package.files
    )
    added = tuple(
        PackageFile(
            path=path, data=text.encode(), has_placeholder=True, executable=path.parts[0] == "bin"
        )
        for path, text in made.items()
        if path not in present
    )
    return replace(package, files=(*files, *added))


def _is_shared(path: PurePosixPath) -> bool:
    return path.parent == PurePosixPath("lib") or path.parent.name.endswith(".libs")
