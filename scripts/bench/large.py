"""Section `large`: an environment whose files are larger than memory should be."""

from time import monotonic

from bench.compare import Match, compare
from bench.growth import NAME, synthetic_project
from bench.measure import Contestant
from bench.report import Section
from bench.workshop import Project, Workshop, remove, size_of

__all__ = ["run_large"]

FILES = (500_000_000, 2_500_000_000, 500_000_000)
FORMATS = {
    "level fast": ("tar.zst", "--level", "fast"),
    "level default": ("tar.zst", "--level", "default"),
    "tar.gz": ("tar.gz",),
}
SLOW = {"level small": ("tar.zst", "--level", "small")}


def run_large(workshop: Workshop) -> Section:
    """Measure."""
    started = monotonic()
    project = synthetic_project(workshop, [FILES])
    both = [
        Match(
            work=f"pack, {name}",
            ours=_pack(project, name, 2, options),
            theirs=_pack(project, name, 1, options),
            tool="lading -j 1",
        )
        for name, options in FORMATS.items()
    ]
    slow = [
        Match(work=f"pack, {name}", ours=_pack(project, name, 2, options), theirs=None)
        for name, options in SLOW.items()
    ]
    unpack = Match(
        work="unpack tar.zst",
        ours=_unpack(project, 2),
        theirs=_unpack(project, 1),
        tool="lading -j 1",
    )
    section = Section(
        name="large",
        title="Large files",
        sized="tarball",
        notes=(
            (
                "A package of three files: text of 0.5 GB, machine code of 2.5 GB, and 0.5 GB that"
                " does not compress. lading with two workers against lading with one, once,"
                " without frame cache; level small with two workers only."
            ),
        ),
        # The last pack before it is what is unpacked.
        comparisons=compare(workshop, [*both, *slow, unpack], 1, warm_up=False),
        seconds=monotonic() - started,
    )
    workshop.put_aside(project.root)
    return section


def _pack(project: Project, name: str, workers: int, options: tuple[str, ...]) -> Contestant:
    output = project.root / "dist"
    format_, *level = options
    argv = ("pack", "--no-frame-cache", "-j", str(workers), "-f", format_, *level, NAME)
    return project.workshop.contestant(
        f"pack {name} -j {workers}",
        project.argv(*argv, "-o", str(output)),
        size=lambda: size_of(output / f"{NAME}-linux-64.{format_}"),
    )


def _unpack(project: Project, workers: int) -> Contestant:
    tarball = project.root / f"dist/{NAME}-linux-64.tar.zst"
    place = project.workshop.directory / "synthetic-place"
    return project.workshop.contestant(
        f"unpack -j {workers}",
        project.argv("unpack", "-j", str(workers), str(tarball), str(place)),
        size=lambda: size_of(tarball),
        after=lambda: remove(place),
    )
