"""Section `growth`: what packing and unpacking take, from a small environment to a large one."""

import random
import sys
from collections.abc import Sequence
from time import monotonic

from bench.measure import Contestant, Measurement, in_turn
from bench.report import Growth, Point, Section
from bench.synthetic import file_sizes, write_channel
from bench.workshop import Project, Workshop, size_of

__all__ = ["NAME", "run_growth", "synthetic_project"]

CHANNEL = "https://synthetic.invalid/channel"
NAME = "synthetic"
SMALL_FILE_BYTES = 4_000
FEW_FILES = 1_000
BY_FILES = (1_000, 10_000, 100_000)
BY_BYTES = (100_000_000, 1_000_000_000, 5_000_000_000)
FILES_PER_PACKAGE = 100
COMMANDS = ("pack", "unpack")


def run_growth(workshop: Workshop) -> Section:
    """Measure."""
    started = monotonic()
    last = 2 if workshop.quick else 3
    growths = (
        *_grow(
            workshop,
            "files",
            {count: (count, count * SMALL_FILE_BYTES) for count in BY_FILES[:last]},
        ),
        *_grow(workshop, "bytes", {size: (FEW_FILES, size) for size in BY_BYTES[:last]}),
    )
    return Section(
        name="growth",
        title="Growth: pack and unpack",
        notes=(
            (
                f"Synthetic environments, {FILES_PER_PACKAGE} files a package; a third of the files"
                " compresses like text, a third like machine code, a third not at all. *files*: of"
                f" {SMALL_FILE_BYTES} bytes on average; *bytes*: in {FEW_FILES} files. Packed at"
                " level default from archives that were fetched, without frame cache, once; what"
                " was just fetched or packed is warm. Ten gigabytes would take twice the time that"
                " is there for a section, so five are the most."
            ),
        ),
        seconds=monotonic() - started,
        sized="tarball",
        growths=growths,
    )


def _grow(workshop: Workshop, unit: str, tasks: dict[int, tuple[int, int]]) -> tuple[Growth, ...]:
    """Both commands over all tasks; amount → number of files, and bytes of all together."""
    points: dict[str, list[Point]] = {name: [] for name in COMMANDS}
    commands: dict[str, str] = {}
    for amount, (files, size) in tasks.items():
        sys.stderr.write(f"  {files} files, {size} bytes\n")
        taken = _measure(workshop, files, size, commands)
        for name in COMMANDS:
            points[name].append(Point(amount=amount, runs=taken[name]))
    return tuple(
        Growth(work=name, unit=unit, command=commands[name], points=tuple(points[name]))
        for name in COMMANDS
    )


def _measure(
    workshop: Workshop, files: int, size: int, commands: dict[str, str]
) -> dict[str, tuple[Measurement, ...]]:
    """What each command takes on one environment; nothing of it is in the way of the next."""
    packages = files // FILES_PER_PACKAGE
    numbers = random.Random(files)  # noqa: S311  # bytes to measure with
    sizes = [file_sizes(FILES_PER_PACKAGE, size // packages, numbers) for _ in range(packages)]
    project = synthetic_project(workshop, sizes)
    place = workshop.directory / "synthetic-place"
    try:
        contestants = _contestants(project)
        commands |= {item.name: workshop.shown(item.argv) for item in contestants}
        return in_turn(contestants, 1, warm_up=False)
    finally:
        workshop.put_aside(project.root, place)


def synthetic_project(workshop: Workshop, packages: Sequence[Sequence[int]]) -> Project:
    """A project with a locked environment whose archives were fetched.

    Args:
        workshop: Where.
        packages: The sizes of the files of each, in bytes.
    """
    channel = workshop.directory / "channel"
    names = write_channel(channel, "part", packages)
    source = f"channels:\n  - {CHANNEL}\ndependencies:\n" + "".join(f"  - {n}\n" for n in names)
    project = Project.make(workshop, NAME, {CHANNEL: channel}, {NAME: source})
    project.run("lock", NAME)
    project.run("fetch", NAME)
    workshop.put_aside(channel)
    return project


def _contestants(project: Project) -> tuple[Contestant, Contestant]:
    workshop = project.workshop
    output = project.root / "dist"
    tarball = output / f"{NAME}-linux-64.tar.zst"
    place = workshop.directory / "synthetic-place"
    pack = project.argv("pack", "--no-frame-cache", "-o", str(output), NAME)
    unpack = project.argv("unpack", str(tarball), str(place))
    return (
        workshop.contestant("pack", pack, size=lambda: size_of(tarball)),
        workshop.contestant("unpack", unpack, size=lambda: size_of(tarball)),
    )
