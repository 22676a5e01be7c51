"""The pinned micromamba: where it comes from, and getting it.

Source: the releases of mamba-org/micromamba-releases, one executable a platform.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lading.conda import MirrorMap, Platform, without_credentials
from lading.errors import FetchError, UsageError
from lading.net import Download, Network, fetch_all
from lading.system import Digest, Progress, no_progress, sha256_of_file

__all__ = ["RELEASES", "BootstrapPlan", "Release", "apply_bootstrap", "plan_bootstrap"]

VERSION = "2.8.1"
LOCATION = f"https://github.com/mamba-org/micromamba-releases/releases/download/{VERSION}-0"
EXECUTABLE = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One executable.

    Attributes:
        version: Of micromamba.
        url: Its official location.
        sha256: Of the executable; None where nobody has checked one yet.
    """

    version: str
    url: str
    sha256: Digest | None = None


def _release(name: str, sha256: str = "") -> Release:
    return Release(
        version=VERSION,
        url=f"{LOCATION}/micromamba-{name}",
        sha256=Digest.sha256(sha256) if sha256 else None,
    )


# A digest is entered here by somebody who downloaded the release and checked its signature; until
# then it must be given on the command line.
RELEASES: Mapping[Platform, Release] = {
    Platform.LINUX_64: _release("linux-64"),
    Platform.LINUX_AARCH64: _release("linux-aarch64"),
    Platform.OSX_64: _release("osx-64"),
    Platform.OSX_ARM64: _release("osx-arm64"),
    Platform.WIN_64: _release("win-64.exe"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapPlan:
    """What will be fetched, and where it will lie.

    Attributes:
        version: Of micromamba, as the table has it.
        url: Where it is fetched from: http, https or file.
        sha256: What its bytes must have.
        target: Where the executable is put, absolute.
        is_current: Whether it is there already.
    """

    version: str
    url: str
    sha256: Digest
    target: Path
    is_current: bool


def plan_bootstrap(
    platform: Platform, target: Path, *, source: str = "", sha256: Digest | None = None
) -> BootstrapPlan:
    """What getting micromamba takes; nothing is changed.

    Args:
        platform: Of this machine.
        target: Where the executable is to lie, absolute.
        source: URL of a mirror or a copy; empty for the official location.
        sha256: What its bytes must have; None for what the table says.

    Raises:
        UsageError: The table has no executable for this platform, or no digest and none was given.
    """
    release = RELEASES.get(platform)
    if release is None and not source:
        raise UsageError(
            f"there is no micromamba for {platform} in the table",
            hint="name one with --from and --sha256, or use the embedded engine",
        )
    digest = sha256 or (release.sha256 if release is not None else None)
    url = source or (release.url if release is not None else "")
    if digest is None:
        raise UsageError(
            f"the digest of {without_credentials(url)} is not known, so it is not downloaded",
            hint="give the published one with --sha256; meanwhile the embedded engine serves",
        )
    return BootstrapPlan(
        version=VERSION,
        url=url,
        sha256=digest,
        target=target,
        is_current=target.is_file() and sha256_of_file(target) == digest,
    )


def apply_bootstrap(
    plan: BootstrapPlan, inherited: Mapping[str, str], progress: Progress = no_progress
) -> None:
    """Put the executable in its place; its digest is checked before it may be executed.

    Raises:
        FetchError: It cannot be had; the hint says that the embedded engine serves.
        DigestMismatchError: It has other bytes than were promised.
    """
    if not plan.is_current:
        download = Download(url=plan.url, sha256=plan.sha256, target=plan.target, mode=EXECUTABLE)
        try:
            fetch_all([download], MirrorMap(), progress, Network(environment=inherited))
        except FetchError as error:
            raise FetchError(
                f"micromamba cannot be downloaded: {error}",
                hint="bring a copy and name it with --from; meanwhile the embedded engine serves",
            ) from error
    plan.target.chmod(EXECUTABLE)
