"""The request, plan and outcome of locking an environment, as values."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lading.conda import MirrorMap, Platform
from lading.engine import SolveRequest
from lading.lock.diff import LockDiff, diff_locks
from lading.lock.exchange import PackageIndex
from lading.lock.file_conflicts import FileLists
from lading.lock.isolation import CondaLock
from lading.lock.model import LockedPackage, Lockfile, Manager, require_environment_name
from lading.lock.reasons import explain_changes
from lading.lock.requested import Requested, Sources
from lading.lock.source_tree import OwnTree, as_it_lies
from lading.lock.wheel_builder import WheelBuilder
from lading.net import opened_url


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    """Lock one environment.

    Attributes:
        name: Of the environment; names the directory below `locks/`.
        directory: The project: absolute, holds `locks/`.
        platforms: At least one.
        conda_lock: Asked to read sources, to solve pip parts, and to read the new lockfiles.
        channels: Names or URLs that replace those of the sources; empty keeps theirs.
        virtual_packages: Platform → name → version, in addition to or instead of its defaults.
        strict_priority: Whether the first channel that has a name is the only one for it.
        update: Names to move to the newest version that is allowed.
        update_all: Keep no pin.
        timeout: Seconds for the solver of one platform.
        pip_index: URL of a package index to ask instead of PyPI, or empty.
        indexes: Further package indexes of the settings, in order.
        exclude_newer: Ignore what was published after it; aware.
        build_sdists: Whether source distributions may be built and locked.
        builder: Builds wheels; None where nothing can be built.
        own_code: What the lock names own code relative to, absolute; None means `directory`.
        own_tree: Where own code is read, which the lock names by another place while git merges.
        file_lists: Lists the files of archives; without it, pip and conda packages are compared by
            name alone.
    """

    name: str
    directory: Path
    sources: Sources
    platforms: tuple[Platform, ...]
    conda_lock: CondaLock
    channels: tuple[str, ...] = ()
    virtual_packages: Mapping[Platform, Mapping[str, str]] = field(default_factory=dict)
    mirrors: MirrorMap = field(default_factory=MirrorMap)
    strict_priority: bool = True
    update: frozenset[str] = frozenset()
    update_all: bool = False
    timeout: float | None = None
    pip_index: str = field(default="", repr=False)
    indexes: tuple[PackageIndex, ...] = ()
    exclude_newer: dt.datetime | None = None
    build_sdists: bool = False
    builder: WheelBuilder | None = None
    own_code: Path | None = None
    own_tree: OwnTree = as_it_lies
    file_lists: FileLists | None = None

    def opened(self, url: str) -> str:
        """The URL of an index as it is asked: variables replaced, with the credential for it.

        Raises:
            SpecError: It names a variable that is not set.
        """
        return opened_url(url, self.conda_lock.inherited_environment, self.mirrors)

    @property
    def project(self) -> Path:
        """What the lock names own code relative to, absolute."""
        return self.own_code or self.directory

    def __post_init__(self) -> None:
        """Refuse a name that leads elsewhere."""
        require_environment_name(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockInputs:
    """What is read from disk before anything is solved.

    Attributes:
        requested: Platform → what the sources ask for.
        locks: The lockfiles there are; one that cannot be read counts as none.
        preferred: Platform → packages to keep instead of those of its lockfile, where they still
            satisfy the sources; what a prefix holds, say, or both sides of a merge.
    """

    requested: Mapping[Platform, Requested]
    locks: Mapping[Platform, Lockfile]
    preferred: Mapping[Platform, tuple[LockedPackage, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformPlan:
    """How one platform is locked.

    Attributes:
        solve: For the engine; its pins are the conda packages of `before` that may stay.
        pip_pins: The pip packages of `before` that may stay.
    """

    path: Path
    before: Lockfile | None
    requested: Requested
    solve: SolveRequest
    pip_pins: tuple[LockedPackage, ...]
    update: frozenset[str] = frozenset()
    update_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LockPlan:
    """How an environment is locked; `platforms` in the order of the request."""

    request: LockRequest
    platforms: tuple[PlatformPlan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformOutcome:
    """The new lockfile of one platform.

    Attributes:
        unchecked: Archives not compared with the pip packages, each with the reason.
        dated_by_builder: With `exclude_newer`, conda packages whose channel does not say when it
            listed them, so that the builder's date was used; sorted.
    """

    plan: PlatformPlan
    data: bytes
    lockfile: Lockfile
    unchecked: tuple[str, ...] = ()
    dated_by_builder: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def platform(self) -> Platform:
        """The platform it is for."""
        return self.lockfile.platform

    @property
    def path(self) -> Path:
        """Where the lockfile lies, or will."""
        return self.plan.path

    @property
    def written(self) -> bool:
        """Whether its bytes are new."""
        before = self.plan.before
        return before is None or before.digest != self.lockfile.digest

    @property
    def diff(self) -> LockDiff:
        """The changes to the lockfile before."""
        return diff_locks(self.plan.before, self.lockfile)

    @property
    def reasons(self) -> Mapping[tuple[Manager, str], str]:
        """(manager, name) of each package that moved → why; empty for a first lock."""
        before = self.plan.before
        return explain_changes(self.plan, before, self.lockfile) if before is not None else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOutcome:
    """The new lockfiles of an environment, written or (dry) only made.

    Attributes:
        platforms: In the order of the request.
        is_dry: Whether nothing was written, and `written` means what would be.
    """

    platforms: tuple[PlatformOutcome, ...]
    is_dry: bool = False

    @property
    def name(self) -> str:
        """The name of the environment."""
        return self.platforms[0].path.parent.name
