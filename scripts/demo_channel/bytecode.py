"""Bytecode of a package that is made for one series of Python, as conda-build leaves it.

Each file records the time and size of its source (PEP 552), which are those of the archive's
members. One process compiles one package in a fixed order with a fixed hash seed, so that the bytes
are the same each time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from demo_channel.package import PackageFile

if TYPE_CHECKING:
    from demo_channel.package import Package, Target


def add_bytecode(package: Package, target: Target) -> Package:
    """The same package with bytecode of the sources that the interpreter would compile.

    Sources with a placeholder have none, since linking changes them; neither has what is no Python.
    """
    library = PurePosixPath(f"lib/python{target.series}")
    sources = [
        file
        for file in package.files
        if file.path.suffix == ".py"
        and file.path.is_relative_to(library)
        and not file.has_placeholder
        and file.link_target is None
    ]
    if not sources:
        return package
    with tempfile.TemporaryDirectory(prefix="demo-channel-") as temporary:
        root = Path(temporary)
        for file in sources:
            path = root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
            os.utime(path, (package.timestamp // 1000,) * 2)
        # Templates that are no Python make it fail in the end; the others are compiled.
        options = "-q -f -j 1 --invalidation-mode timestamp"
        subprocess.run(
            [sys.executable, *["-s", "-S", "-m", "compileall"], *options.split(), "-s", root, root],
            env={"PYTHONHASHSEED": "0"},
            capture_output=True,
            check=False,
        )
        bytecode = [
            PackageFile(path=PurePosixPath(path.relative_to(root)), data=path.read_bytes())
            for path in sorted(root.rglob("__pycache__/*.pyc"))
        ]
    return replace(package, files=(*package.files, *bytecode))
