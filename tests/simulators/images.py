"""Images made by hand, and what tests of images need of the machine."""

import shutil
from pathlib import Path

import pytest

from lading.format.compression import Level
from lading.pack.image import apply_image, plan_image
from lading.pack.packer import Packed, PackRequest
from lading.package.payload import Payload
from simulators.handmade import file, installed, link, payload

__all__ = ["MOUNTED", "PLACEHOLDER", "VARIABLES", "make_image", "need", "sample"]

PLACEHOLDER = "/placeholder" * 12
MOUNTED = "/opt/lading/sample-of-the-tests"
"""The prefix of images made here; nothing lies there on any machine."""

VARIABLES = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def need(*programs: str) -> None:
    """Skip the test where a program is missing; the reason names it."""
    missing = [name for name in programs if shutil.which(name, path=VARIABLES["PATH"]) is None]
    if missing:
        pytest.skip(
            f"{missing[0]} is not installed (squashfs-tools-ng, squashfs-tools, squashfuse)"
        )


def sample(cache: Path) -> tuple[Payload, ...]:
    """Payloads with a script that names the prefix (it lies in `cache`), a link, plain files."""
    return (
        payload(
            file(
                "bin/where",
                f"#!/bin/sh\nexec cat {PLACEHOLDER}/share/word\n".encode(),
                executable=True,
                placeholder=PLACEHOLDER,
                directory=cache,
            ),
            file("conda-meta/tool-1.0-0.json", b"{}"),
            link("bin/there", "where"),
        ),
        payload(
            file("share/word", b"mounted\n"),
            file("share/zeros", bytes(300_000)),
            file("share/noise", bytes(range(256)) * 2000),
            name="words",
        ),
    )


def make_image(
    directory: Path,
    *payloads: Payload,
    prefix: str = MOUNTED,
    level: Level = Level.FAST,
    workers: int = 2,
    virtual_packages: str = "",
) -> Packed:
    """An image of `payloads`, or of `sample`, in `directory`, which needs `virtual_packages`."""
    request = PackRequest(
        installed=installed(
            payloads or sample(directory.parent / "cache"), virtual_packages=virtual_packages
        ),
        directory=directory,
        level=level,
        workers=workers,
    )
    return apply_image(plan_image(request, prefix))
