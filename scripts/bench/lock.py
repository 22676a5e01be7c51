"""Section `lock`: resolving a large environment for four platforms; against conda-lock."""

import shutil
import sys
from pathlib import Path
from time import monotonic

from bench.closure import check_lockfiles
from bench.compare import Match, compare
from bench.corpus import find_corpus, write_corpus
from bench.machine import find_conda_lock_micromamba
from bench.measure import Contestant, in_turn
from bench.report import Comparison, Growth, Point, Section
from bench.workshop import ROOT, Project, Workshop, remove

__all__ = ["run_lock"]

NAME = "pangeo-notebook"
SOURCES = ("base.yml", "environment.yml")
PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64")
CHANNEL = "https://conda.anaconda.org/conda-forge"
COPIES = (1, 5, 20)
QUICK_COPIES = (1, 5)
TITLE = "Lock"


def run_lock(workshop: Workshop) -> Section:
    """Measure."""
    started = monotonic()
    corpus = find_corpus(workshop.inherited)
    if corpus is None:
        note = "Left out: there is no corpus of records; LADING_CORPUS names its directory."
        return Section(name="lock", title=TITLE, notes=(note,), seconds=0)
    channel = workshop.directory / "corpus"
    records = write_corpus(corpus, channel, 1)
    project = _project(workshop, channel)
    comparisons, notes = _compare(workshop, project, channel)
    remove(channel)
    return Section(
        name="lock",
        title=TITLE,
        notes=(
            (
                f"`examples/{NAME}`, for {', '.join(PLATFORMS)}, on a channel in the file system:"
                f" {records} real records of conda-forge. No lockfile to start from, no cache of"
                " either tool; the channel is in the kernel's memory."
            ),
            *notes,
        ),
        seconds=monotonic() - started,
        comparisons=comparisons,
        growths=(_growth(workshop, project, corpus, channel),),
    )


def _project(workshop: Workshop, channel: Path) -> Project:
    project = Project.make(workshop, "lock-project", {CHANNEL: channel}, {})
    for name in SOURCES:
        shutil.copy(ROOT / f"examples/{NAME}" / name, project.root)
    return project


def _compare(
    workshop: Workshop, project: Project, channel: Path
) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """The comparison, and what is to be said of it."""
    ours = _lading(project)
    micromamba = find_conda_lock_micromamba(workshop.inherited)
    theirs = None
    if micromamba is not None:
        theirs = _conda_lock(workshop, project, channel, micromamba)
    match = Match(
        work="lock four platforms", ours=ours, theirs=theirs, tool="conda-lock --micromamba"
    )
    comparisons = compare(workshop, [match])
    notes = [_closure_note("lading", sorted((project.root / "locks" / NAME).glob("*.yml")))]
    if theirs is None:
        notes.append(
            "conda-lock is left out: it needs a micromamba before 2.6, named by"
            " LADING_MICROMAMBA_FOR_CONDA_LOCK or on PATH."
        )
    else:
        notes.append(_closure_note("conda-lock", [project.root / "conda-lock.yml"]))
    return comparisons, tuple(notes)


def _closure_note(tool: str, lockfiles: list[Path]) -> str:
    closure = check_lockfiles(lockfiles)
    whole = "each dependency in them is satisfied by one of them"
    if closure.broken:
        shown = "; ".join(closure.broken[:3])
        whole = f"{len(closure.broken)} dependencies are not satisfied ({shown})"
    return f"{tool} locks {closure.entries} entries; {whole}."


def _lading(project: Project) -> Contestant:
    platforms = [word for item in PLATFORMS for word in ("-p", item)]
    sources = [str(project.root / name) for name in SOURCES]
    return project.workshop.contestant(
        "lading lock",
        project.argv("lock", "-n", NAME, *platforms, *sources),
        before=lambda: remove(project.root / ".lading", project.root / "locks"),
    )


def _conda_lock(workshop: Workshop, project: Project, channel: Path, micromamba: str) -> Contestant:
    home = workshop.directory / "conda-lock-home"
    lockfile = project.root / "conda-lock.yml"

    def before() -> None:
        remove(home, lockfile)
        home.mkdir()

    argv = [
        *(workshop.program("conda-lock"), "lock", "--micromamba", "--conda", micromamba),
        *(word for name in SOURCES for word in ("-f", str(project.root / name))),
        *(word for name in PLATFORMS for word in ("-p", name)),
        *("-c", channel.as_uri(), "--lockfile", str(lockfile)),
    ]
    contestant = workshop.contestant("conda-lock", argv, before=before)
    variables = {"HOME": str(home), "MAMBA_ROOT_PREFIX": str(home / "micromamba")}
    environment = {**contestant.environment, **variables}
    return Contestant(
        name=contestant.name,
        argv=contestant.argv,
        environment=environment,
        directory=contestant.directory,
        before=before,
    )


def _growth(workshop: Workshop, project: Project, corpus: Path, channel: Path) -> Growth:
    """The same lock, on channels that hold more and more that it does not need."""
    contestant = _lading(project)
    points = []
    for copies in QUICK_COPIES if workshop.quick else COPIES:
        records = write_corpus(corpus, channel, copies)
        sys.stderr.write(f"  {records} records\n")
        taken = in_turn([contestant], 1)
        points.append(Point(amount=records, runs=taken[contestant.name]))
        remove(channel)
    return Growth(
        work="lock four platforms",
        unit="records",
        command=workshop.shown(contestant.argv),
        points=tuple(points),
    )
