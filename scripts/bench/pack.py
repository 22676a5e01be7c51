"""Section `pack`: packing, packing again, unpacking; against conda-pack."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from bench.compare import Match, compare
from bench.conda_prefix import copy_tree
from bench.environments import CHANGED, NEWEST, BenchEnvironments
from bench.measure import Contestant
from bench.report import Comparison, Section
from bench.workshop import Workshop, remove

__all__ = ["run_pack"]

EXAMPLES = 3
MEMORY = Path("/dev/shm")  # noqa: S108  # a private directory is made in it


def run_pack(workshop: Workshop, environments: BenchEnvironments) -> Section:
    """Measure."""
    started = monotonic()
    comparisons = (
        *_cold(workshop, environments),
        *_again(workshop, environments),
        *_unpack(workshop, environments),
    )
    return Section(
        name="pack",
        title="Pack and unpack",
        sized="tarball",
        notes=(
            (
                "The example `data-service`. lading packs from archives, conda-pack from a prefix"
                " that was installed before. The kernel has most of both in memory."
                " *Cold*: no frame cache."
            ),
            (
                "conda-pack gets the very files of lading's prefix, with records that name the"
                " package cache, as conda leaves them; lading's own records do not, and make it"
                " slower. So that both tarballs hold the same files, bytecode included, packages"
                " that are not `noarch` have theirs in that cache, as packages of conda-forge do."
            ),
            _members_note(workshop, environments),
            "Level small and conda-pack with threads are measured once only.",
            "*Again*: the frame cache holds what was packed with an older idna.",
            (
                "*Unpack*: lading checks every file and relocates it; `tar` and `conda-unpack`"
                " relocate, and check nothing."
            ),
        ),
        seconds=monotonic() - started,
        comparisons=comparisons,
    )


def _cold(workshop: Workshop, environments: BenchEnvironments) -> tuple[Comparison, ...]:
    """Without anything kept from an earlier pack."""
    conda_pack = environments.conda_pack("conda-pack", NEWEST, "tar.zst")

    def zstd(level: str) -> Match:
        options = ("--no-frame-cache", "--level", level)
        ours = environments.lading_pack(f"pack {level}", NEWEST, *options)
        return Match(work=f"pack tar.zst, cold, level {level}", ours=ours, theirs=conda_pack)

    quick, slow = [zstd("default"), zstd("fast")], zstd("small")
    threaded = Match(
        work=quick[0].work,
        ours=quick[0].ours,
        theirs=environments.conda_pack("conda-pack -j -1", NEWEST, "tar.zst", "-j", "-1"),
        tool="conda-pack -j -1",
    )
    gzip = Match(
        work="pack tar.gz, cold",
        ours=environments.lading_pack("pack gz", NEWEST, "--no-frame-cache", "-f", "tar.gz"),
        theirs=environments.conda_pack("conda-pack gz", NEWEST, "tar.gz", "-j", "-1"),
        tool="conda-pack -j -1",
    )
    return (
        *compare(workshop, quick),
        # Minutes long, or beside the point: once, and everything is warm already.
        *compare(workshop, [slow, threaded], rounds=1, warm_up=False),
        *compare(workshop, [gzip], warm_up=False),
    )


def _again(workshop: Workshop, environments: BenchEnvironments) -> tuple[Comparison, ...]:
    """One package is another one than last time."""
    kept = workshop.directory / "frames-kept"
    frames = environments.project.root / ".lading/frames"
    remove(frames)
    environments.project.run("pack", "-o", str(environments.output), CHANGED)
    frames.rename(kept)
    ours = environments.lading_pack("pack again", NEWEST, before=lambda: copy_tree(kept, frames))
    theirs = environments.conda_pack("conda-pack again", NEWEST, "tar.zst")
    match = Match(work="pack tar.zst again, one package changed", ours=ours, theirs=theirs)
    return compare(workshop, [match], warm_up=False)


def _unpack(workshop: Workshop, environments: BenchEnvironments) -> tuple[Comparison, ...]:
    """From a tarball to an environment at its place, on the disk and in memory."""
    environments.project.run("pack", "--no-frame-cache", "-o", str(environments.output), NEWEST)
    theirs, plain = environments.kept_conda_pack(NEWEST), workshop.directory / "plain.tar"
    zstd = workshop.program("zstd")
    workshop.run(zstd, "-qdf", str(theirs), "-o", str(plain))
    found = _unpack_below(workshop, environments, plain, workshop.directory, "on the disk")
    if os.access(MEMORY, os.W_OK):
        with TemporaryDirectory(dir=MEMORY) as directory:
            place = Path(directory)
            found += _unpack_below(workshop, environments, plain, place, f"to {MEMORY}")
    remove(plain)
    return found


def _unpack_below(
    workshop: Workshop, environments: BenchEnvironments, plain: Path, directory: Path, where: str
) -> tuple[Comparison, ...]:
    """To a place in `directory`; what the kernel takes of it, `plain` shows."""
    place, other = directory / "place", directory / "other-place"
    is_disk = directory == workshop.directory

    def leave(path: Path) -> Callable[[], None]:
        return lambda: workshop.put_aside(path) if is_disk else remove(path)

    def by_tar(name: str, script: str) -> Contestant:
        argv = ("/bin/sh", "-c", f"mkdir {other} && {script}")
        return workshop.contestant(f"{name} {where}", argv, after=leave(other))

    unpack = workshop.contestant(
        f"unpack {where}",
        environments.project.argv("unpack", str(environments.tarball(NEWEST)), str(place)),
        after=leave(place),
    )
    packed = environments.kept_conda_pack(NEWEST)
    tar = by_tar("tar and conda-unpack", f"tar -xf {packed} -C {other} && {other}/bin/conda-unpack")
    floor = by_tar("tar alone", f"tar -xf {plain} -C {other}")
    work = f"unpack tar.zst {where}, relocated (and, by lading, verified)"
    return compare(
        workshop,
        [
            Match(work=work, ours=unpack, theirs=tar, tool="tar and conda-unpack"),
            Match(work=work, ours=unpack, theirs=floor, tool="tar of a plain tar, nothing else"),
        ],
    )


def _members_note(workshop: Workshop, environments: BenchEnvironments) -> str:
    """How the contents of the two tarballs differ."""
    environments.project.run("pack", "--no-frame-cache", "-o", str(environments.output), NEWEST)
    ours = _members(workshop, environments.tarball(NEWEST))
    theirs = _members(workshop, environments.kept_conda_pack(NEWEST))
    return (
        f"lading's tarball has {len(ours)} members, conda-pack's {len(theirs)};"
        f" {len(ours - theirs)} and {len(theirs - ours)} of them only one has"
        f"{_examples(ours - theirs)}{_examples(theirs - ours)}."
    )


def _examples(paths: set[str]) -> str:
    """Some of `paths`, in brackets; nothing where there are none."""
    shown = [f"`{item}`" for item in sorted(paths)[:EXAMPLES]]
    if len(paths) > EXAMPLES:
        shown.append("…")
    return f" ({', '.join(shown)})" if shown else ""


def _members(workshop: Workshop, tarball: Path) -> set[str]:
    """Their paths; directories that hold something do not count."""
    names = {
        line.removeprefix("./")
        for line in workshop.run("/bin/tar", "-tf", str(tarball)).splitlines()
    }
    return {name for name in names if not name.endswith("/")}
