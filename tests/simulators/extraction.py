"""A package as engines extract it, for tests."""

import io
import tarfile
import zipfile
from pathlib import Path

from backports import zstd

from simulators.channel import Package, build_archive

__all__ = ["extract"]


def extract(package: Package, directory: Path) -> Path:
    """The directory below `directory` that `package`, a `.conda`, was extracted to."""
    target = directory / package.distribution
    with zipfile.ZipFile(io.BytesIO(build_archive(package))) as outer:
        for name in outer.namelist():
            if name.endswith(".tar.zst"):
                data = io.BytesIO(zstd.decompress(outer.read(name)))
                with tarfile.open(fileobj=data) as inner:
                    inner.extractall(target, filter="tar")
    return target
