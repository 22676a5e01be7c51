"""Install a locked environment; pack one."""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lading.api.access import access_of_lock
from lading.api.environments import read_chosen
from lading.api.project import AnyProject, Project, as_project
from lading.errors import PrefixError, UsageError
from lading.format import IMAGE_SUFFIX, Format, Level, image_prefix
from lading.install import (
    Installed,
    InstallPlan,
    PrivatePrefix,
    apply_install,
    find_foreign,
    plan_install,
    read_installed,
)
from lading.lock import Choice
from lading.pack import (
    INSTALLER_SUFFIX,
    FrameCache,
    KeptPackage,
    KnownFrames,
    Packable,
    Packed,
    PackPlan,
    PackRequest,
    Style,
    Transcoding,
    apply_image,
    apply_installer,
    apply_pack,
    output_errors,
    plan_image,
    plan_installer,
    plan_pack,
)
from lading.system import (
    Progress,
    is_temporary_of,
    make_untracked,
    no_progress,
    remove_stale_temporaries,
    temporary_directory,
)

OUTPUT = "dist"
"""The directory that artifacts are written to, unless the user names another."""

WORKPLACE = "pack"
"""Name of the temporary directory of a packing, in the project's private state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackChoices:
    """How an environment is packed; see `pack`."""

    directory: str = OUTPUT
    format: str = "tar.zst"
    level: str = "default"
    prefix: str | None = None
    workers: int | None = None
    frame_cache: bool = True
    self_relocating: bool | None = None
    strict: bool = False

    @property
    def is_image(self) -> bool:
        """Whether an image is wanted, not a tarball or an installer."""
        return self.format == IMAGE_SUFFIX

    @property
    def stream(self) -> Format:
        """How the frames are compressed; the stream of an image is not, only its blocks are."""
        if self.format == INSTALLER_SUFFIX:
            return Format.GZIP
        return Format.TAR if self.is_image else Format(self.format)

    def style(self, environment: str, newest: int | None) -> Style:
        """How frames are made."""
        prefix = image_prefix(self.prefix, environment) if self.is_image else ""
        return Style(format=self.stream, level=Level(self.level), newest=newest, prefix=prefix)


FOREIGN_SHOWN = 5
"""How many files are named that belong to no package."""

_log = logging.getLogger(__name__)


def install(  # noqa: PLR0913  # one parameter for each choice
    environment: str,
    *,
    project: AnyProject = ".",
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
    project = as_project(project)
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
        plan, project.tree, project.build_engine(), inherited=project.environment, progress=progress
    )


def pack(  # noqa: PLR0913  # one parameter for each choice
    environment: str,
    *,
    project: AnyProject = ".",
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
    """Pack an environment into a tarball with its bill, from the archives of its packages.

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
    project = as_project(project)
    check_pack_choices(project, format, prefix)
    plan = plan_installation(
        project,
        environment,
        platform,
        Choice(including=frozenset(including), excluding=frozenset(excluding)),
        bytecode=bytecode,
        link_scripts=link_scripts,
        offline=offline,
    )
    choices = PackChoices(
        directory=directory,
        format=format,
        level=level,
        prefix=prefix,
        workers=workers,
        frame_cache=frame_cache,
        self_relocating=self_relocating,
        strict=strict,
    )
    return pack_locked(project, plan, choices, progress)


def check_pack_choices(project: Project, format: str, prefix: str | None) -> None:  # noqa: A002  # as of `pack`
    """Refuse choices that packing would refuse, before anything is installed.

    Raises:
        UsageError: SOURCE_DATE_EPOCH or `prefix` is wrong, or `prefix` is given for a tarball.
    """
    newest_time(project)
    if prefix is not None and format != IMAGE_SUFFIX:
        raise UsageError("--prefix is for images", hint="add -f sqsh, or leave --prefix out")
    if prefix is not None:
        image_prefix(prefix, "environment")


def plan_packing(
    project: Project,
    installed: Packable,
    choices: PackChoices,
    frames: Mapping[tuple[str, str], KeptPackage],
) -> PackPlan:
    """What packing `installed` will do, as a tarball, an image or an installer; see `pack`.

    `frames` has the frames of each package by its manager and name.
    """
    relocating = choices.self_relocating
    request = PackRequest(
        installed=installed,
        directory=project.path(choices.directory),
        format=choices.stream,
        level=Level(choices.level),
        workers=choices.workers or project.processors,
        newest=newest_time(project),
        self_relocating=choices.format == Format.GZIP if relocating is None else relocating,
        frames=frames,
    )
    if choices.is_image:
        return plan_image(request, choices.prefix)
    return plan_installer(request) if choices.format == INSTALLER_SUFFIX else plan_pack(request)


def _tell_of_foreign(packed: Packable, *, strict: bool) -> None:
    """Warn of files in the prefix that are not packed, since no package put them there."""
    prefix = packed.plan.prefix
    found = find_foreign(packed.contents, prefix)
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


def pack_locked(
    project: Project, plan: InstallPlan, choices: PackChoices, progress: Progress
) -> Packed:
    """Pack what `plan` says; see `pack`.

    Everything is made of archives. Link scripts need an installation, and what they made is taken
    from it. Files that were put into a prefix are told.
    """
    adopted = install_planned(project, plan, progress).adopted if plan.link_scripts else ()
    output = PackRequest.output_of(plan, project.path(choices.directory), choices.format)
    with output_errors(output), _workplace(project) as directory:
        known = KnownFrames.of(
            FrameCache(directory=project.tree.frame_cache) if choices.frame_cache else None,
            project.settings.frame_layers,
            directory,
        )
        transcoding = Transcoding(
            private=PrivatePrefix(
                plan=plan,
                tree=project.tree,
                build_engine=project.build_engine,
                inherited=project.environment,
                directory=directory,
                progress=progress,
            ),
            style=choices.style(plan.environment, newest_time(project)),
            known=known,
            workers=choices.workers or project.processors,
            adopted=adopted,
            progress=progress,
        )
        try:
            transcoded, frames = transcoding.run()
            if plan.link_scripts or plan.is_current:
                _tell_of_foreign(transcoded, strict=choices.strict)
            packing = plan_packing(project, transcoded, choices, frames)
            return _pack(packing, choices.format, progress)
        finally:
            # After an error, too: it kills the other workers while they write to the cache.
            known.prune()


@contextmanager
def _workplace(project: Project) -> Iterator[Path]:
    """A directory for one packing, which nobody else uses."""
    state = project.tree.state
    state.mkdir(parents=True, exist_ok=True)
    remove_stale_temporaries(state, is_temporary_of(WORKPLACE))
    with temporary_directory(state, WORKPLACE) as directory:
        yield directory


def _pack(plan: PackPlan, format: str, progress: Progress) -> Packed:  # noqa: A002  # as of `pack`
    """Carry out a plan of packing."""
    if plan.tarball.parent.name == OUTPUT:
        with suppress(OSError):  # packing says what is wrong with it
            make_untracked(plan.tarball.parent)
    apply = {IMAGE_SUFFIX: apply_image, INSTALLER_SUFFIX: apply_installer}.get(format, apply_pack)
    return apply(plan, progress)


def newest_time(project: Project) -> int | None:
    """The time of SOURCE_DATE_EPOCH, in Unix seconds, or None."""
    return source_date_epoch(project.environment.get("SOURCE_DATE_EPOCH"))


def source_date_epoch(text: str | None) -> int | None:
    """The time that no member may be newer than, in Unix seconds."""
    if not text:
        return None
    if not text.isdecimal():
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {text!r}", hint="set it to whole seconds since 1970, or unset it"
        )
    return int(text)
