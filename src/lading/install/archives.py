"""What an installation needs to have on this machine: fetched, or found in a layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lading.conda import MirrorMap
from lading.install.layout import BuildTree
from lading.install.package_cache import locate_archives
from lading.install.plan import InstallPlan
from lading.net import Network, fetch_all
from lading.system import Progress, no_progress

__all__ = ["Archives", "fetch_archives"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archives:
    """Files whose digests were checked.

    Attributes:
        conda: Distribution string → archive, absolute.
        wheels: File name → wheel, absolute.
    """

    conda: Mapping[str, Path]
    wheels: Mapping[str, Path]


def fetch_archives(
    plan: InstallPlan,
    tree: BuildTree,
    mirrors: MirrorMap,
    inherited: Mapping[str, str],
    progress: Progress = no_progress,
) -> Archives:
    """Where all that `plan` needs lies on this machine, after it was fetched.

    What a layer has with the right digest is taken from there, and not fetched.

    Args:
        plan: What is to be installed.
        tree: Names the caches and the layers.
        mirrors: Where archives are fetched from.
        inherited: The caller's environment variables, which may name proxies and certificates.
        progress: Told of each file.

    Raises:
        FetchError: An archive or a wheel cannot be had.
        DigestMismatchError: It has other bytes than the lock promises.
    """
    located = locate_archives(plan.downloads, tree.layers)
    wanted = [item for item in plan.downloads if item.target not in located]
    fetch_all(wanted, mirrors, progress, Network(environment=inherited, offline=plan.offline))
    conda = {item.distribution: tree.package_cache / item.file_name for item in plan.conda}
    wheels = {item.file_name: tree.wheel_cache / item.file_name for item in plan.wheels}
    return Archives(
        conda={name: located.get(target, target) for name, target in conda.items()},
        wheels={name: located.get(target, target) for name, target in wheels.items()},
    )
