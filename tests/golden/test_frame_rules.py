"""The bytes of frames, frozen together with the number of the rules that make them."""

import hashlib
from pathlib import Path

from lading.conda.paths import FileMode, Kind
from lading.format.compression import Format, Level
from lading.format.file_list import list_path
from lading.format.relocation import render_record
from lading.pack.encode import Style, encode_package
from lading.pack.frame_cache import FRAME_RULES
from lading.pack.members import shipped_members
from lading.package.entry_points import render_entry_point
from lading.package.info import EntryPoint
from lading.package.payload import Payload, PayloadFile
from simulators.handmade import file, link, payload

GOLDEN = (6, "b2b97584a97fe155f51f7038a36f08ec23ecfb8a584527b602eb3cf4781356a7")
"""FRAME_RULES, and the SHA-256 of the frames below that were made under it."""

PREFIX = Path("/build/sample/linux-64/prefix")
HELD = "/opt/build_env_" + "placehold_" * 20
TEXT = f"prefix={HELD}/lib:{HELD}/share\n".encode()
BINARY = b"\x7fELF\0" + f"{HELD}/lib:{HELD}/x\0rest\0{HELD}\0".encode() + bytes(range(256))
PYTHON = f"#!{HELD}/bin/python3.11 -s\n".encode()
SCRIPTS = {
    "bin/python-script": PYTHON + b"print()\n",
    "bin/with-help": PYTHON + b'# comment\n"""The help."""\nprint(__doc__)\n',
    "bin/from-the-future": PYTHON + b'"""Help."""\nfrom __future__ import annotations\n',
    "bin/other-coding": PYTHON + b"# -*- coding: latin-1 -*-\n",
    "bin/perl-script": f"#!{HELD}/bin/perl -w\nprint '{HELD}'\n".encode(),
    "bin/python3-config": f"#!/bin/sh\necho {HELD}\n".encode(),
    "bin/zeros": PYTHON + b"\0" + HELD.encode(),
}


def conda_package(sources: Path) -> Payload:
    """A package with a file for every rule that a conda package is shipped by."""
    entry_point = EntryPoint(command="tool", module="tool.cli", function="main")
    scripts = [
        file(path, data, executable=True, placeholder=HELD, directory=sources)
        for path, data in SCRIPTS.items()
    ]
    return payload(
        *scripts,
        file("bin/tool", render_entry_point(entry_point, "python3.11"), executable=True),
        file("etc/tool.conf", TEXT, placeholder=HELD, directory=sources),
        file("lib/libtool.so.1", BINARY, placeholder=HELD, mode=FileMode.BINARY, directory=sources),
        link("lib/libtool.so", "libtool.so.1"),
        link("lib/far", "../" + "f" * 120),
        file("share/" + "n" * 120 + "/x", b"a name too long for ustar", directory=sources),
        file("share/üñí x", b"a name outside of ASCII"),
        file("share/block", bytes(512)),
        file("share/empty"),
        PayloadFile(path="var/empty", kind=Kind.DIRECTORY),
    )


def pip_package(sources: Path) -> Payload:
    """A pip distribution with files that name the prefix it was installed into, and others."""
    site = "lib/python3.11/site-packages"
    return payload(
        file(f"{site}/names.py", f"X = '{PREFIX}/share'\n".encode(), directory=sources),
        file(f"{site}/plain.so", b"\x7fELF\xff", directory=sources),
        file("bin/pip-script", b"#!/bin/sh\n", executable=True, directory=sources),
        name="wheel",
        manager="pip",
    )


def frames_digest(sources: Path) -> str:
    """SHA-256 of the uncompressed frames, and of what the cache keeps beside them."""
    style = Style(format=Format.TAR, level=Level.DEFAULT)
    digest = hashlib.sha256()
    for package in (conda_package(sources / "conda"), pip_package(sources / "pip")):
        encoded = encode_package(
            shipped_members(package, PREFIX),
            path=list_path(package.manager, package.name),
            mtime=package.mtime,
            style=style,
            keep=digest.update,
        )
        digest.update(encoded.document + render_record(list(encoded.relocations)))
    return digest.hexdigest()


def test_other_bytes_take_another_number(tmp_path: Path) -> None:
    """When frames change, FRAME_RULES is raised and the digest here renewed, or caches are stale.

    A release of conda-pack may change them as well: its version is a part of every key, so then
    the digest alone is renewed.
    """
    assert (FRAME_RULES, frames_digest(tmp_path)) == GOLDEN
