"""Section `chain`: from a lock to a tarball, against `micromamba create` and conda-pack by hand."""

import shutil
from collections.abc import Callable
from time import monotonic

from bench.compare import Match, compare
from bench.environments import CHANGED, NEWEST, source_of
from bench.install import write_explicit
from bench.machine import find_micromamba
from bench.measure import BenchError, Contestant
from bench.report import Comparison, Section
from bench.workshop import CHANNEL, Project, Workshop, remove, size_of

__all__ = ["run_chain"]

TOOL = "micromamba create and conda-pack"


def run_chain(workshop: Workshop) -> Section:
    """Measure."""
    started = monotonic()
    micromamba = find_micromamba(workshop.inherited)
    if micromamba is None:
        raise BenchError("the section chain needs a micromamba to compare with")
    sources = {name: source_of(name) for name in (NEWEST, CHANGED)}
    project = Project.make(workshop, "chain", {CHANNEL: workshop.demo_channel}, sources)
    for name in sources:
        project.run("lock", name)
        project.run("fetch", name)
    return Section(
        name="chain",
        title="From a lock to a tarball",
        sized="tarball",
        notes=(
            (
                "The example `data-service`; both have the same archives in the file system, and"
                " nothing else: nothing extracted, no bytecode, no frames. micromamba gets an"
                " explicit file, and compiles what is noarch, as it does by default."
            ),
            "*One package changed*: lading packed the same with an older idna before.",
        ),
        comparisons=(
            *_cold(project, micromamba),
            *_again(project, micromamba),
        ),
        seconds=monotonic() - started,
    )


def _cold(project: Project, micromamba: str) -> tuple[Comparison, ...]:
    def before() -> None:
        keep_archives(project)

    match = Match(
        work="lock to tar.zst, archives at hand",
        ours=_lading(project, "pack", before),
        theirs=_by_hand(project, micromamba, NEWEST),
        tool=TOOL,
    )
    return compare(project.workshop, [match])


def _again(project: Project, micromamba: str) -> tuple[Comparison, ...]:
    keep_archives(project)
    project.run("pack", "-o", str(project.root / "dist"), CHANGED)
    kept = project.root / "kept"
    shutil.copytree(project.root / ".lading", kept, symlinks=True)

    def before() -> None:
        project.workshop.put_aside(project.root / ".lading", project.root / "build")
        shutil.copytree(kept, project.root / ".lading", symlinks=True)

    match = Match(
        work="the same, one package changed",
        ours=_lading(project, "pack changed", before),
        theirs=_by_hand(project, micromamba, NEWEST),
        tool=TOOL,
    )
    return compare(project.workshop, [match])


def keep_archives(project: Project) -> None:
    """Take away everything that lading made of archives, and leave the archives."""
    state, workshop = project.root / ".lading", project.workshop
    archives = project.root / "archives"
    if not archives.exists():
        archives.mkdir()
        for path in state.glob("pkgs/*"):
            if path.is_file():
                shutil.copy2(path, archives)
    workshop.put_aside(state, project.root / "build")
    state.mkdir(mode=0o700)
    shutil.copytree(archives, state / "pkgs")


def _lading(project: Project, name: str, before: Callable[[], None]) -> Contestant:
    tarball = project.root / f"dist/{NEWEST}-linux-64.tar.zst"
    return project.workshop.contestant(
        name,
        project.argv("pack", "-o", str(tarball.parent), NEWEST),
        before=before,
        size=lambda: size_of(tarball),
        after=lambda: remove(tarball),
    )


def _by_hand(project: Project, micromamba: str, name: str) -> Contestant:
    workshop = project.workshop
    explicit = write_explicit(project, name)
    root, prefix = workshop.directory / "chain-root", workshop.directory / "chain-prefix"
    tarball = project.root / "by-hand.tar.zst"
    create = f"{micromamba} create --no-rc --no-env -y -q -r {root} -p {prefix} --file {explicit}"
    pack = f"{workshop.program('conda-pack')} -q -p {prefix} --format tar.zst -o {tarball}"
    return workshop.contestant(
        TOOL,
        ("/bin/sh", "-c", f"{create} && {pack}"),
        before=lambda: workshop.put_aside(root, prefix),
        size=lambda: size_of(tarball),
        after=lambda: remove(tarball),
    )
