"""The wheels of the project's own code, as a lock gets them: by path, built where there is none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from lading.conda import IN_PROJECT, Platform, native_platform
from lading.errors import SpecError
from lading.lock.build_source import project_relative, tree_source
from lading.lock.model import LockedPackage, Lockfile
from lading.lock.own_code import OwnPackage
from lading.lock.request import LockPlan
from lading.lock.side_list import Built, built_wheels
from lading.lock.wheel_builder import BuiltWheel, WheelBuilder
from lading.system import Digest, sha256_of_file

ANY_PLATFORM = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockableWheel:
    """A wheel that lies in the project.

    Attributes:
        path: Absolute.
        url: How the lock names it: `file:./PATH`.
        built: How it was built; None where it was there.
    """

    path: Path
    url: str
    sha256: Digest
    built: Built | None = None


def find_own_wheels(plan: LockPlan) -> Mapping[NormalizedName, LockableWheel]:
    """Find the wheels of the own code that a plan asks for, each built once."""
    found: dict[NormalizedName, tuple[OwnPackage, LockableWheel]] = {}
    for item in plan.platforms:
        for package in item.requested.own:
            known = found.get(package.name)
            if known is None:
                wheel = _find(plan, package)
                known = found[package.name] = (package, wheel)
            if known[0].path != package.path:
                raise SpecError(
                    f"{package.name} is asked for from two places: {known[0].path} and"
                    f" {package.path}",
                    hint="delete one of them",
                )
            refuse_other_platform(known[1].path, item.solve.platform)
    return {name: wheel for name, (_, wheel) in found.items()}


def _find(plan: LockPlan, package: OwnPackage) -> LockableWheel:
    project = plan.request.project
    if package.is_wheel:
        return lockable(package.path, sha256_of_file(package.path), project)
    builder = plan.request.builder
    if builder is None:
        raise SpecError(f"{package.name} cannot be built here", hint="run `lading lock`")
    own_tree = plan.request.own_tree
    source = tree_source(package.name, package.path, project, builder.inherited, own_tree)
    locks = (item.before for item in plan.platforms if item.before is not None)
    is_free = plan.request.update_all or package.name in plan.request.update
    before = None if is_free else last_build(package.name, locks, project)
    built = builder.build(source, before)
    return lockable(built.path, built.sha256, project, built.built)


def lockable(
    path: Path, sha256: Digest, project: Path, built: Built | None = None
) -> LockableWheel:
    """The wheel at `path`, with the URL that a lock has for it."""
    relative = project_relative(path, project)
    if not relative.startswith("./"):
        raise SpecError(
            f"{path} lies outside of the project {project}", hint="move it below the project"
        )
    return LockableWheel(path=path, url=f"file:{quote(relative)}", sha256=sha256, built=built)


def last_build(name: NormalizedName, locks: Iterable[Lockfile], project: Path) -> BuiltWheel | None:
    """The wheel of `name` that one of `locks` has."""
    for lock in locks:
        for item in lock.pip:
            if canonicalize_name(item.name) == name:
                return locked_build(item, lock, project)
    return None


def locked_build(item: LockedPackage, lock: Lockfile, project: Path) -> BuiltWheel | None:
    """How the wheel of a locked package was built; None where it was not built when locking."""
    built = built_wheels(lock).get(canonicalize_name(item.name))
    if built is None or not item.url.startswith(IN_PROJECT):
        return None
    path = project / unquote(item.url.removeprefix(IN_PROJECT))
    return BuiltWheel(path=path, sha256=item.sha256, built=built)


def rebuild_wheel(
    item: LockedPackage, lock: Lockfile, project: Path, builder: WheelBuilder
) -> None:
    """Build the wheel of a locked package again, if it was built when locking and is gone.

    Raises:
        LockError: The lock says wrongly how it was built.
        SpecError: Its sources are not those that were locked.
        DigestMismatchError: It has other bytes than those that were locked.
        FetchError: Its source distribution cannot be fetched.
        EngineFailedError: It cannot be built.
    """
    wanted = locked_build(item, lock, project)
    if wanted is None or wanted.is_kept:
        return
    name, built = canonicalize_name(item.name), wanted.built
    if built.is_tree:
        source = tree_source(name, project / built.source, project, builder.inherited)
    else:
        source = builder.sdist(name, built.source, Digest.sha256(built.sha256))
    if not wanted.built.is_of(source.said, source.sha256):
        raise SpecError(
            f"the sources of {item.name} in {wanted.built.source} changed since they were locked",
            hint="run `lading lock`",
        )
    builder.rebuild(source, wanted)


def source_trees(lock: Lockfile, project: Path) -> dict[str, Path]:
    """Name → source tree of the locked packages that were built from one.

    Raises:
        LockError: The lock says wrongly how they were built.
    """
    built = built_wheels(lock)
    known = ((item.name, built.get(canonicalize_name(item.name))) for item in lock.pip)
    return {name: project / entry.source for name, entry in known if entry and entry.is_tree}


def refuse_other_platform(wheel: Path, platform: Platform) -> None:
    """Refuse a wheel with compiled code for a platform that it was not built for."""
    *_, tags = parse_wheel_filename(wheel.name)
    platforms = {tag.platform for tag in tags}
    if ANY_PLATFORM not in platforms and not any(_fits(tag, platform) for tag in platforms):
        raise SpecError(
            f"{wheel.name} is not for {platform}",
            hint=f"lock for {native_platform()} alone, or ask for a wheel of each platform, with"
            " selectors",
        )


def _fits(tag: str, platform: Platform) -> bool:
    family, _, architecture = platform.value.partition("-")
    system = {"linux": "linux", "osx": "macosx", "win": "win"}[family]
    machine = {"64": "x86_64"}.get(architecture, architecture)
    return system in tag and (machine in tag or "universal2" in tag or tag == "win_amd64")
