"""Small wheels and packages for tests of the demo channel."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from demo_channel.package import (
    PLACEHOLDER,
    About,
    Package,
    PackageFile,
    Target,
)

TARGET = Target(version="3.11.7", subdir="linux-64", timestamp=1_700_000_000_000)

METADATA = """\
Metadata-Version: 2.4
Name: Cargo_Lib
Version: 1.0
Summary: Loads cargo
License-Expression: MIT
Requires-Python: >=3.9
Requires-Dist: bill>=1
Project-URL: Homepage, https://demo.invalid/cargo
"""


def make_wheel(directory: Path, tag: str = "py3-none-any", **members: str) -> Path:
    """A wheel of `Cargo_Lib` 1.0 with these members besides its metadata."""
    path = directory / f"cargo_lib-1.0-{tag}.whl"
    contents = {
        "cargo_lib/__init__.py": "",
        "cargo_lib-1.0.dist-info/METADATA": METADATA,
        "cargo_lib-1.0.dist-info/RECORD": "",
        "cargo_lib-1.0.dist-info/direct_url.json": "{}",
        "cargo_lib-1.0.dist-info/entry_points.txt": "[console_scripts]\nload = cargo_lib:main\n",
        "cargo_lib-1.0.data/scripts/unload": "#!python\nprint('unload')\n",
        "cargo_lib-1.0.data/data/share/cargo.txt": "cargo\n",
        **members,
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in contents.items():
            wheel.writestr(zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10)), text)
    return path


def make_package() -> Package:
    """A small package of two files and a link; out of order."""
    files = (
        PackageFile(path=PurePosixPath("bin/tool"), data=b"#!/bin/sh\n", executable=True),
        PackageFile(path=PurePosixPath("bin/alias"), link_target=PurePosixPath("tool")),
        PackageFile(
            path=PurePosixPath("etc/tool.conf"),
            data=f"{PLACEHOLDER}/share\n".encode(),
            has_placeholder=True,
        ),
    )
    return Package(
        name="tool",
        version="1.0",
        build="0",
        subdir="linux-64",
        timestamp=TARGET.timestamp,
        about=About(summary="A tool", license="MIT"),
        files=files,
        licenses={"LICENSE": b"whole text"},
    )
