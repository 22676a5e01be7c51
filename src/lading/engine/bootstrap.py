"""Download the pinned micromamba.

Source: the releases of mamba-org/micromamba-releases, one executable a platform.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lading.conda import MirrorMap, Platform
from lading.errors import DigestMismatchError, FetchError, UsageError
from lading.net import Download, Network, fetch_all
from lading.system import Digest, Progress, no_progress, sha256_of_file, without_credentials

VERSION = "2.8.1"
LOCATION = f"https://github.com/mamba-org/micromamba-releases/releases/download/{VERSION}-0"
EXECUTABLE = 0o755


DIGESTS: Mapping[Platform, str] = {
    Platform.LINUX_64: "9689782d863c05a1bf5d2d371ba527104e7a4eb4310c1637d8653b751aed9c82",
    Platform.LINUX_AARCH64: "e5ba23b5945aa49dfd11022e592a510d2686a8feee810e00140b73c9fdf0ba2a",
    Platform.OSX_64: "b2bd613791c0a524883d7cb66505d630bf15badd1f492bc93ba78550a3a1a94b",
    Platform.OSX_ARM64: "de71a646b73af92dd663e6ddc78993a6a4d47ea28b5d8908c3cc2b9c3077e528",
    Platform.WIN_64: "8a51f88ec02600488ea20c3acd93fbd4da6c0f03fc499aa53fd234c6749b94b0",
}
"""The platforms with an executable, and its SHA-256, hexadecimal.

Each is what at least two unrelated projects have published for this very file of the release; the
file itself was not compared. That of another version is given with `--sha256`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapPlan:
    """What will be downloaded, and its target.

    Attributes:
        url: Source: http, https or file.
        target: Path of the executable, absolute.
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
    """Plan the download of micromamba; nothing is changed.

    `source` is the URL of a mirror or a copy, empty for the official location; `sha256` is the
    required digest, None for the pinned one.

    Raises:
        UsageError: There is no executable for this platform, or no digest is pinned or given.
    """
    if platform not in DIGESTS and not source:
        raise UsageError(
            f"no micromamba is known for {platform}",
            hint="use --from and --sha256, or the embedded engine",
        )
    pinned = DIGESTS.get(platform)
    digest = sha256 or (Digest.sha256(pinned) if pinned else None)
    url = source or f"{LOCATION}/micromamba-{platform}"
    if digest is None:
        raise UsageError(
            f"no digest is known for {without_credentials(url)}, so it is not downloaded",
            hint="use --sha256 with the published digest, or use the embedded engine",
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
    """Download the executable; it becomes executable only after its digest was checked.

    Raises:
        FetchError: The download failed.
        DigestMismatchError: The executable has another digest.
    """
    if not plan.is_current:
        download = Download(url=plan.url, digest=plan.sha256, target=plan.target, mode=EXECUTABLE)
        try:
            fetch_all([download], MirrorMap(), progress, Network(environment=inherited))
        except FetchError as error:
            raise FetchError(
                f"micromamba cannot be downloaded: {error}",
                hint="use a local copy with --from FILE, or use the embedded engine",
            ) from error
        except DigestMismatchError as error:
            raise DigestMismatchError(
                f"{without_credentials(plan.url)} has another digest, and was not kept",
                hint="compare --sha256 with the published digest, then download it again",
                expected=error.expected,
                actual=error.actual,
            ) from error
    plan.target.chmod(EXECUTABLE)
