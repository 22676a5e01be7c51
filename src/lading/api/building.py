"""Install a locked environment, and pack what is installed."""

import logging
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from lading.api.access import access_of_lock
from lading.api.environments import read_chosen
from lading.api.project import Project, open_project
from lading.errors import PrefixError, UsageError
from lading.format import IMAGE_SUFFIX, Format, Level
from lading.install import (
    Installed,
    InstallPlan,
    apply_install,
    find_foreign,
    plan_install,
    read_installed,
)
from lading.lock import Choice
from lading.pack import (
    INSTALLER_SUFFIX,
    FrameCache,
    ImagePlan,
    InstallerPlan,
    Packed,
    PackPlan,
    PackRequest,
    apply_image,
    apply_installer,
    apply_pack,
    plan_image,
    plan_installer,
    plan_pack,
)
from lading.system import Progress, make_untracked, no_progress

FOREIGN_SHOWN = 5
"""How many files are named that belong to no package."""

_log = logging.getLogger(__name__)


OUTPUT = "dist"
"""The directory that artifacts are written to, unless the user names another."""


def install(  # noqa: PLR0913  # one parameter for each choice
    environment: str,
    *,
    project: Project | str | os.PathLike[str] = ".",
    platform: str | None = None,
    including: Collection[str] = (),
    excluding: Collection[str] = (),
    bytecode: bool = True,
    link_scripts: bool = False,
    offline: bool = False,
    reinstall: bool = False,
    editable: bool = False,
    progress: Progress = no_progress,
) -> Installed:
    """Fill the prefix `build/<environment>/<platform>/prefix` from its lockfile.

    What is installed from this very lock stays. Where only a few packages moved since, these are
    moved; the result is that of an installation from nothing.

    Args:
        environment: Name of a locked environment, or path of a lockfile.
        project: The project, or its directory.
        platform: Subdir; None means this machine's.
        including: Categories to install besides `main`, or what the configuration says.
        excluding: Categories to leave out.
        bytecode: Compile python bytecode.
        link_scripts: Run the link scripts of packages.
        offline: Fetch nothing over a network.
        reinstall: Install from nothing, whatever is there.
        editable: Link source trees of the project, instead of installing their wheels.
        progress: Told of each step.

    Raises:
        LockError: There is no such lockfile, or it cannot be installed.
        FetchError: An archive cannot be fetched.
        IntegrityError: An archive is not what the lock says.
        EngineError: The engine or uv failed.
        PrefixError: The prefix cannot be written.
    """
    project = project if isinstance(project, Project) else open_project(project)
    plan = plan_installation(
        project,
        environment,
        platform,
        Choice(including=frozenset(including), excluding=frozenset(excluding)),
        bytecode=bytecode,
        link_scripts=link_scripts,
        offline=offline,
        reinstall=reinstall,
        editable=editable,
    )
    return install_planned(project, plan, progress)


def plan_installation(  # noqa: PLR0913  # one parameter for each choice
    project: Project,
    environment: str,
    platform: str | None = None,
    choice: Choice = Choice(),  # noqa: B008  # frozen
    *,
    bytecode: bool = True,
    link_scripts: bool = False,
    offline: bool = False,
    only_fetch: bool = False,
    reinstall: bool = False,
    editable: bool = False,
) -> InstallPlan:
    """What installing `environment` will do; see `install`."""
    name, lock = read_chosen(project, environment, platform, choice, offline=offline)
    access = access_of_lock(project, name, lock)
    plan = plan_install(
        name,
        lock,
        project.tree,
        bytecode=bytecode,
        link_scripts=link_scripts,
        offline=offline,
        only_fetch=only_fetch,
        reinstall=reinstall,
        editable=editable,
    )
    return replace(plan, mirrors=access.mirrors, indexes=access.variables)


def install_planned(project: Project, plan: InstallPlan, progress: Progress) -> Installed:
    """Carry out `plan`, unless it is installed already; see `install`."""
    if plan.is_current:
        return read_installed(plan)
    return apply_install(
        plan,
        project.tree,
        project.build_engine(),
        mirrors=plan.mirrors,
        inherited=project.environment,
        progress=progress,
    )


def pack(  # noqa: PLR0913  # one parameter for each choice
    environment: str,
    *,
    project: Project | str | os.PathLike[str] = ".",
    platform: str | None = None,
    including: Collection[str] = (),
    excluding: Collection[str] = (),
    directory: str = OUTPUT,
    format: str = "tar.zst",  # noqa: A002  # the name that callers expect
    level: str = "default",
    prefix: str | None = None,
    bytecode: bool = True,
    link_scripts: bool = False,
    offline: bool = False,
    workers: int | None = None,
    frame_cache: bool = True,
    self_relocating: bool | None = None,
    strict: bool = False,
    progress: Progress = no_progress,
) -> Packed:
    """Pack an environment into a tarball with its bill, installing it first where that is needed.

    Args:
        environment: Name of a locked environment, or path of a lockfile.
        project: The project, or its directory.
        platform: Subdir; None means this machine's.
        including: As of `install`.
        excluding: As of `install`.
        directory: Where the tarball, its manifest and checksums are written.
        format: `tar.zst`, `tar.gz`, `tar`, `sqsh` for an image, or `sh` for an installer.
        level: `fast`, `default` or `small`.
        prefix: Where an image will be mounted; None means `/opt/lading/<environment>`.
        bytecode: Ship python bytecode.
        link_scripts: Run the link scripts of packages.
        offline: Fetch nothing over a network.
        workers: How many frames are made at once; None means one a processor.
        frame_cache: Keep and reuse frames.
        self_relocating: Let the environment's python relocate it when it starts, where it was
            unpacked by something else; None means where `format` is `tar.gz`, as Spark wants it.
        strict: Refuse a prefix with files that no package put there, instead of leaving them out.
        progress: Told of each step.

    Raises:
        OutputError: The tarball cannot be written.
        PrefixError: There are such files, and `strict` is set.
        LadingError: As of `install`.
    """
    project = project if isinstance(project, Project) else open_project(project)
    check_pack_choices(project, format, prefix)
    installed = install(
        environment,
        project=project,
        platform=platform,
        including=including,
        excluding=excluding,
        bytecode=bytecode,
        link_scripts=link_scripts,
        offline=offline,
        progress=progress,
    )
    plan = plan_packing(
        project,
        installed,
        directory=directory,
        format=format,
        level=level,
        prefix=prefix,
        workers=workers,
        frame_cache=frame_cache,
        self_relocating=self_relocating,
        strict=strict,
    )
    return pack_planned(plan, progress)


def check_pack_choices(project: Project, format: str, prefix: str | None) -> None:  # noqa: A002  # as of `pack`
    """Refuse choices that packing would refuse, before anything is installed.

    Raises:
        UsageError: SOURCE_DATE_EPOCH is wrong, or `prefix` is given for a tarball.
    """
    newest_time(project)
    if prefix is not None and format != IMAGE_SUFFIX:
        raise UsageError("--prefix is for images", hint="add -f sqsh, or leave --prefix out")


def plan_packing(  # noqa: PLR0913  # one parameter for each choice
    project: Project,
    installed: Installed,
    *,
    directory: str,
    format: str,  # noqa: A002  # as of `pack`
    level: str,
    prefix: str | None,
    workers: int | None,
    frame_cache: bool,
    self_relocating: bool | None = None,
    strict: bool = False,
) -> PackPlan | ImagePlan | InstallerPlan:
    """What packing `installed` will do, as a tarball, an image or an installer; see `pack`."""
    _tell_of_foreign(installed, strict=strict)
    cache = FrameCache(directory=project.tree.frame_cache)
    request = PackRequest(
        installed=installed,
        directory=project.path(directory),
        format=Format.TAR if format in {IMAGE_SUFFIX, INSTALLER_SUFFIX} else Format(format),
        level=Level(level),
        workers=workers or project.processors,
        newest=newest_time(project),
        frame_cache=cache if frame_cache else None,
        self_relocating=format == Format.GZIP if self_relocating is None else self_relocating,
    )
    if format == IMAGE_SUFFIX:
        return plan_image(request, project.environment, prefix)
    return plan_installer(request) if format == INSTALLER_SUFFIX else plan_pack(request)


def _tell_of_foreign(installed: Installed, *, strict: bool) -> None:
    """Warn of files that no package put into the prefix; they are not packed.

    Raises:
        PrefixError: There are some, and `strict` is set.
    """
    prefix = installed.plan.prefix
    found = find_foreign(installed.contents, prefix)
    if not found:
        return
    number = "1 file" if len(found) == 1 else f"{len(found)} files"
    said = f"{number} in {prefix} belong to no package, and are not packed"
    listed = (*found[:FOREIGN_SHOWN], *(["..."] if len(found) > FOREIGN_SHOWN else []))
    hint = (
        "ask for what brought them in environment.yml (below `pip:`), or by `files` in lading.toml"
    )
    if strict:
        raise PrefixError(said, hint=f"{hint}; or run `lading install --force`", details=listed)
    _log.warning("%s: %s; %s", said, ", ".join(listed), hint)


def pack_planned(plan: PackPlan | ImagePlan | InstallerPlan, progress: Progress) -> Packed:
    """Carry out `plan`; see `pack`."""
    stream = plan if isinstance(plan, PackPlan) else plan.pack
    if stream.tarball.parent.name == OUTPUT:
        with suppress(OSError):  # packing says what is wrong with it
            make_untracked(stream.tarball.parent)
    if isinstance(plan, ImagePlan):
        return apply_image(plan, progress)
    if isinstance(plan, InstallerPlan):
        return apply_installer(plan, progress)
    return apply_pack(plan, progress)


def newest_time(project: Project) -> int | None:
    """The time of SOURCE_DATE_EPOCH, in Unix seconds, or None.

    Raises:
        UsageError: It is not a whole number of seconds.
    """
    return source_date_epoch(project.environment.get("SOURCE_DATE_EPOCH"))


def source_date_epoch(text: str | None) -> int | None:
    """The time that no member may be newer than, in Unix seconds.

    Raises:
        UsageError: `SOURCE_DATE_EPOCH` is not a whole number of seconds.
    """
    if not text:
        return None
    if not text.isdecimal():
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {text!r}", hint="set it to whole seconds since 1970, or unset it"
        )
    return int(text)
