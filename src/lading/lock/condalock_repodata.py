"""Virtual packages in the form that conda-lock hashes and solves with."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from conda_lock.virtual_package import FakeRepoData, VirtualPackage as FakePackage

from lading.conda import VirtualPackage


@contextmanager
def fake_repodata(platforms: Mapping[str, Iterable[VirtualPackage]]) -> Iterator[FakeRepoData]:
    """Yield the virtual packages of `platforms`, by subdir, as conda-lock's repodata."""
    with tempfile.TemporaryDirectory() as directory:
        repository = FakeRepoData(base_path=Path(directory))
        for platform, packages in platforms.items():
            for item in packages:
                build = "" if item.build == "0" else item.build
                package = FakePackage(name=item.name, version=item.version, build_string=build)
                repository.add_package(package, subdirs=[platform])
        repository.write()
        yield repository
