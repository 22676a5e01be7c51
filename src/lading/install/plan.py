"""Plan an installation from its lock; nothing is changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lading.conda import MirrorMap, RepodataRecord, is_path_separator_free, native_platform
from lading.errors import LockError
from lading.graph import topological_order
from lading.install.extracted import with_private_cache
from lading.install.layout import BuildTree
from lading.install.record import read_install_record
from lading.lock import LockedPackage, Lockfile, Manager, source_trees
from lading.net import Download
from lading.system import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPlan:
    """What an installation will do.

    Attributes:
        directory: `build/<environment>/<platform>`, absolute.
        conda: The conda part, sorted by name.
        downloads: Archives and wheels; those in the cache already are only hashed.
        bytecode: Whether bytecode is compiled; never for a platform that cannot run here.
        is_current: Whether the prefix exists already, made from this very lock.
        reinstall: Whether to install from nothing, whatever is installed.
        editable: Name → source tree of pip packages to be linked instead of installed.
        mirrors: Where archives are fetched from, with credentials.
        indexes: Variables for uv that name package indexes, for wheels that are built again.
    """

    environment: str
    lockfile: Lockfile
    directory: Path
    conda: tuple[RepodataRecord, ...]
    downloads: tuple[Download, ...]
    bytecode: bool
    is_current: bool
    link_scripts: bool = False
    offline: bool = False
    reinstall: bool = False
    editable: Mapping[str, Path] = field(default_factory=dict)
    mirrors: MirrorMap = field(default_factory=MirrorMap)
    indexes: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def wheels(self) -> tuple[LockedPackage, ...]:
        """The pip part, as the lock has it."""
        return self.lockfile.pip

    @property
    def records(self) -> tuple[RepodataRecord, ...]:
        """The conda part, dependencies first; worked out when it is asked for."""
        return topological_order(self.conda)

    @property
    def prefix(self) -> Path:
        """Where the environment is installed, absolute."""
        return self.directory / "prefix"


def plan_install(  # noqa: PLR0913  # one parameter for each option
    environment: str,
    lockfile: Lockfile,
    tree: BuildTree,
    *,
    bytecode: bool = True,
    link_scripts: bool = False,
    offline: bool = False,
    only_fetch: bool = False,
    reinstall: bool = False,
    editable: bool = False,
) -> InstallPlan:
    """Plan to install `lockfile` below `tree`; nothing is changed.

    `only_fetch` says that only archives are wanted, which any machine can fetch; `reinstall`, to
    install from nothing, whatever is there; `editable`, to link source trees of the project.

    Raises:
        LockError: An entry of the lock cannot be installed.
    """
    tree = with_private_cache(tree)
    directory = tree.build(environment, lockfile.platform)
    trees = source_trees(lockfile, tree.root) if editable else {}
    downloads = [
        _download(item, target)
        for part, target in ((lockfile.conda, tree.package_cache), (lockfile.pip, tree.wheel_cache))
        for item in part
        if item.name not in trees or item.manager is not Manager.PIP
    ]
    _refuse_same_file(downloads)
    runs_here = lockfile.platform == native_platform()
    if not (runs_here or only_fetch):
        _refuse_programs(environment, lockfile, link_scripts=link_scripts)
    plan = InstallPlan(
        environment=environment,
        lockfile=lockfile,
        directory=directory,
        conda=tuple(item.to_record() for item in lockfile.conda),
        downloads=tuple(downloads),
        bytecode=bytecode and runs_here,
        is_current=False,
        link_scripts=link_scripts,
        offline=offline,
        reinstall=reinstall,
        editable=trees,
    )
    return replace(plan, is_current=not reinstall and is_installed(plan))


def _refuse_programs(environment: str, lockfile: Lockfile, *, link_scripts: bool) -> None:
    """Refuse what would run programs of another platform."""
    if link_scripts:
        raise LockError(
            f"link scripts of {environment} for {lockfile.platform} need a machine of it",
            hint=f"install on {lockfile.platform}, or without --link-scripts",
        )
    if lockfile.pip:
        raise LockError(
            f"the pip packages of {environment} for {lockfile.platform} need a machine of it",
            hint=f"install on {lockfile.platform}, or take these packages from a channel",
        )


def is_installed(plan: InstallPlan) -> bool:
    """Whether the prefix is complete, made from this very lock with these very options."""
    record = read_install_record(plan.directory)
    return (
        record is not None
        and record.lock == plan.lockfile.digest.hex
        and record.categories == plan.lockfile.chosen
        and record.bytecode == plan.bytecode
        and record.link_scripts == plan.link_scripts
        and record.editable == bool(plan.editable)
        and record.prefix == str(plan.prefix)
        and (plan.prefix / "conda-meta/history").is_file()
    )


def _download(item: LockedPackage, directory: Path) -> Download:
    """The archive of `item`, in `directory`."""
    if not is_path_separator_free(item.file_name):
        raise LockError(
            f"the archive of {item.name} has the unsafe name {item.file_name!r}",
            hint="do not use this lock; lock again",
        )
    return Download(url=item.url, digest=item.sha256, target=directory / item.file_name)


def _refuse_same_file(downloads: list[Download]) -> None:
    """Two different archives of one name cannot lie in one package cache."""
    seen: dict[Path, Digest] = {}
    for item in downloads:
        if seen.setdefault(item.target, item.digest) != item.digest:
            raise LockError(
                f"the lock has two different archives named {item.target.name}",
                hint="take the package from one channel only, and lock again",
            )
