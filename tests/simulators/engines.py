"""What the tests of both engines share: a channel, requests to it, installs from it."""

from collections.abc import Mapping
from pathlib import Path

from lading.conda.channels import ChannelUrl, MirrorMap
from lading.conda.names import MatchSpecText, Platform
from lading.conda.records import RepodataRecord
from lading.conda.virtual import default_virtual_packages
from lading.engine.protocol import InstallRequest, SolveRequest
from lading.system.progress import Progress, no_progress
from simulators.channel import CANONICAL, PLACEHOLDER, ChannelSimulator, File, Package, Symlink

__all__ = ["install_request", "small_channel", "solve_request"]


def small_channel(directory: Path) -> ChannelSimulator:
    """`tool` (noarch, with entry point and link script) needs `library` and `python`.

    There are `library` 1.0 and 2.0, the latter as `.tar.bz2`; `old` needs `library <2`.
    """
    channel = ChannelSimulator(directory)
    channel.add(
        Package(
            name="python",
            version="3.12.1",
            files={
                "bin/python3.12": File(
                    b"\x7fELF" + PLACEHOLDER + b"/lib\0rest", mode=0o755, binary=True
                ),
                "bin/python": Symlink("python3.12"),
            },
        )
    )
    channel.add(Package(name="library", version="1.0", files={"lib/library": b"one"}))
    channel.add(
        Package(
            name="library",
            version="2.0",
            files={"lib/library": b"two"},
            archive_format=".tar.bz2",
        )
    )
    channel.add(Package(name="old", depends=("library <2",)))
    channel.add(
        Package(
            name="tool",
            noarch="python",
            depends=("python", "library >=1", "__glibc >=2.17"),
            files={"site-packages/tool/__init__.py": b"def main(): pass\n"},
            entry_points=("tool = tool:main",),
            scripts={"post-link": b'#!/bin/sh\ntouch "$PREFIX/SCRIPT_RAN"\n'},
        )
    )
    channel.write_repodata()
    return channel


def solve_request(  # every field may be the subject of a test
    locations: tuple[str, ...],
    *specs: str,
    platform: Platform = Platform.LINUX_64,
    locked: tuple[RepodataRecord, ...] = (),
    virtual: bool = True,
    timeout: float | None = None,
) -> SolveRequest:
    """A request for `specs` from the canonical demo channel, read from `locations`."""
    return SolveRequest(
        platform=platform,
        specs=tuple(MatchSpecText(spec) for spec in specs),
        channels=(ChannelUrl(CANONICAL),),
        virtual_packages=default_virtual_packages(platform) if virtual else (),
        mirrors=MirrorMap(mirrors={CANONICAL: locations}),
        locked=locked,
        timeout=timeout,
    )


def install_request(
    root: Path,
    records: tuple[RepodataRecord, ...],
    archives: Mapping[str, Path],
    *,
    prefix: str = "prefix",
    progress: Progress = no_progress,
) -> InstallRequest:
    """A request to install `records` into `prefix` below `root`."""
    return InstallRequest(
        platform=Platform.LINUX_64,
        records=records,
        archives=archives,
        prefix=root / prefix,
        package_cache=root / "pkgs",
        progress=progress,
    )
