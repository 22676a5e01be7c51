"""Section `install`: filling a prefix, by lading's engines and by micromamba alone; start-up."""

from dataclasses import replace
from pathlib import Path
from time import monotonic

from bench.compare import Match, compare
from bench.machine import find_micromamba
from bench.measure import Contestant
from bench.report import Comparison, Section
from bench.workshop import CHANNEL, ROOT, Project, Workshop

__all__ = ["run_install", "write_explicit"]

NAME = "data-service"
BY_HAND = "micromamba create --no-pyc"
STARTS = 4
"""Rounds for each pair asked for: starting up takes a moment only."""


def run_install(workshop: Workshop) -> Section:
    """Measure."""
    started = monotonic()
    micromamba = find_micromamba(workshop.inherited)
    notes = [
        (
            "The example `data-service`, from its lockfile; archives come from a channel in the"
            " file system. *Cold*: no package cache, no bytecode cache. *Warm*: both are full."
        ),
        (
            "lading checks the digest of each archive, writes its own records, and a bill with the"
            " digest of each installed file. Where bytecode is wanted, `python -m compileall` makes"
            " it for micromamba; this is measured once only."
        ),
    ]
    if micromamba is None:
        notes.append(
            "micromamba is left out: there is none on PATH, and LADING_MICROMAMBA names none."
        )
    return Section(
        name="install",
        title="Install",
        notes=tuple(notes),
        comparisons=(
            *_install(workshop, micromamba, warm=False),
            *_install(workshop, micromamba, warm=True),
            *_start(workshop),
        ),
        seconds=monotonic() - started,
    )


def _install(workshop: Workshop, micromamba: str | None, *, warm: bool) -> tuple[Comparison, ...]:
    state = "warm" if warm else "cold"
    project = _project(workshop, f"install-embedded-{state}")
    plain = _lading(project, "embedded", "--no-bytecode", warm=warm)
    full = _lading(project, "embedded with bytecode", "--bytecode", warm=warm)
    by_hand = compiled = None
    matches = []
    if micromamba is not None:
        by_hand = _by_hand(project, micromamba, warm=warm)
        compiled = _by_hand(project, micromamba, warm=warm, compile_all=True)
        other = replace(
            _project(workshop, f"install-micromamba-{state}"),
            options=("--engine", "micromamba", "--micromamba", micromamba),
        )
        driven = _lading(other, "micromamba engine", "--no-bytecode", warm=warm)
        work = f"install, {state}, engine micromamba, no bytecode"
        matches.append(Match(work=work, ours=driven, theirs=by_hand, tool=BY_HAND))
    work = f"install, {state}, engine embedded"
    plainly = Match(work=f"{work}, no bytecode", ours=plain, theirs=by_hand, tool=BY_HAND)
    fully = Match(
        work=f"{work}, with bytecode", ours=full, theirs=compiled, tool=f"{BY_HAND} and compileall"
    )
    # Compiling everything takes long; cold, the other rounds have warmed what can be warm.
    return (
        *compare(workshop, [plainly, *matches]),
        *compare(workshop, [fully], rounds=1, warm_up=warm),
    )


def _project(workshop: Workshop, directory: str) -> Project:
    text = (ROOT / "examples/data-service/environment.yml").read_text("utf-8")
    project = Project.make(workshop, directory, {CHANNEL: workshop.demo_channel}, {NAME: text})
    project.run("lock", NAME)
    return project


def _lading(project: Project, name: str, *options: str, warm: bool) -> Contestant:
    caches = () if warm else (project.root / ".lading",)
    return project.workshop.contestant(
        name,
        project.argv("install", *options, NAME),
        before=lambda: project.workshop.put_aside(project.root / "build", *caches),
    )


def _by_hand(
    project: Project, micromamba: str, *, warm: bool, compile_all: bool = False
) -> Contestant:
    """micromamba, which needs no solver with an explicit file; and python's own compiler."""
    workshop = project.workshop
    explicit = write_explicit(project, NAME)
    root, prefix = (
        workshop.directory / f"{project.root.name}-{name}" for name in ("root", "prefix")
    )
    argv = [
        *(micromamba, "create", "--no-rc", "--no-env", "-y", "-q", "-r", str(root)),
        *("-p", str(prefix), "--no-pyc", "--file", str(explicit)),
    ]
    if compile_all:
        compileall = f"{prefix}/bin/python -m compileall -q -j 0 {prefix}/lib > /dev/null || true"
        argv = ["/bin/sh", "-c", f"{' '.join(argv)} && {{ {compileall}; }}"]
    caches = () if warm else (root,)
    name = f"{BY_HAND} and compileall" if compile_all else BY_HAND
    return workshop.contestant(name, argv, before=lambda: workshop.put_aside(prefix, *caches))


def write_explicit(project: Project, name: str) -> Path:
    """Write the explicit file of a lock of `project`, of local archives; return its path.

    Dependencies come first: micromamba compiles what is noarch only if python was linked before.
    """
    explicit = project.root / "explicit.txt"
    document = project.run("export", "--explicit", name)
    channel = project.workshop.demo_channel.as_uri()
    explicit.write_text(document.replace(CHANNEL, channel), "utf-8")
    return explicit


def _start(workshop: Workshop) -> tuple[Comparison, ...]:
    """How long it takes to say something that needs no work."""
    pairs = (
        (("lading", "--version"), ("lading", "--help")),
        (
            ("conda-pack", "--version"),
            ("conda-lock", "--help"),
        ),
    )
    matches = [
        Match(
            work=f"start-up: {' '.join(ours)}",
            ours=_words(workshop, *ours),
            theirs=_words(workshop, *theirs),
            tool=" ".join(theirs),
        )
        for ours, theirs in zip(*pairs, strict=True)
    ]
    return compare(workshop, matches, rounds=workshop.pairs * STARTS)


def _words(workshop: Workshop, program: str, option: str) -> Contestant:
    return workshop.contestant(f"{program} {option}", (workshop.program(program), option))
