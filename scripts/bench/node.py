"""Section `node`: from an artifact to the first line of a program, mounted and unpacked."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic

from bench.compare import Match, compare
from bench.environments import NEWEST, BenchEnvironments
from bench.figures import render_bytes
from bench.measure import Contestant
from bench.report import Comparison, Section
from bench.workshop import Workshop, size_of

__all__ = ["run_node"]

PROGRAM = "import numpy, pandas; print(numpy.__version__)"
PAIRS = 3
"""More would take longer than all other sections together."""
TASKS = 16
"""How many tasks of one node ask at once."""
CONDA_PACK_LEVELS = {"2": "zstd 5", "1": "zstd 2"}
"""Its levels next to lading's default, which is zstd 3; all in blocks of 256 KiB. It has no 3."""


def run_node(workshop: Workshop, environments: BenchEnvironments) -> Section:
    """Measure."""
    started = monotonic()
    for format_ in ("tar.zst", "sqsh"):
        environments.project.run("pack", "-f", format_, "-o", str(environments.output), NEWEST)
    node = _Node(workshop, environments)
    read = node.bytes_read()
    return Section(
        name="node",
        title="On a node",
        sized="artifact",
        notes=(
            f"At most {PAIRS} pairs of each, without a warm-up.",
            (
                f'To the end of `python -c "{PROGRAM}"`, start of lading and python included.'
                " *Cold*: the artifact is not in the page cache; the interpreter that runs lading"
                " is."
            ),
            (
                f"Of the image ({render_bytes(size_of(node.image))}, one inode)"
                f" {render_bytes(read)} are in the page cache after that program, read-ahead"
                " included."
            ),
            (
                f"*At once*: {TASKS} tasks ask for the same, against one; each starts a lading,"
                " and those that run a program a python, on the same processors."
            ),
        ),
        comparisons=(
            *node.first_line("cold"),
            *node.first_line("warm"),
            *node.joined(),
            *node.image_made(),
            *node.unpacked_at_once(),
            *node.run_at_once(),
            *node.conda_unpack(),
        ),
        seconds=monotonic() - started,
    )


def remember(path: Path) -> None:
    """Bring all of a file into the page cache."""
    with path.open("rb") as stream:
        while stream.read(1 << 20):
            pass


def forget(path: Path) -> None:
    """Take a file out of the page cache."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class _Node:
    """The artifacts of one environment, and what is compared with them."""

    def __init__(self, workshop: Workshop, environments: BenchEnvironments) -> None:
        self.workshop = workshop
        self.environments = environments
        self.image = environments.tarball(NEWEST, "sqsh")
        self.tarball = environments.tarball(NEWEST)
        self.other = environments.kept_conda_pack(NEWEST)
        self.place = workshop.directory / "node-place"

    def _shell(
        self, name: str, script: str, before: Callable[[], None], artifact: Path
    ) -> Contestant:
        return self.workshop.contestant(
            name,
            ("/bin/sh", "-c", script),
            before=before,
            size=lambda: size_of(artifact),
            after=lambda: self.workshop.put_aside(self.place),
        )

    def _lading(self, *arguments: str) -> str:
        return " ".join(self.environments.project.argv(*arguments))

    def _compare(self, matches: list[Match]) -> tuple[Comparison, ...]:
        # All was packed, and the image run, before the first of them.
        return compare(self.workshop, matches, min(PAIRS, self.workshop.pairs), warm_up=False)

    def bytes_read(self) -> int:
        """How much of the image is in memory after the program ran."""
        forget(self.image)
        self.environments.project.run("run", str(self.image), "--", "python", "-c", PROGRAM)
        return int(self.workshop.run("fincore", "-nbo", "RES", str(self.image)))

    def first_line(self, state: str) -> tuple[Comparison, ...]:
        """Mounted, against unpacked by lading and by tar."""

        def prepared(artifact: Path) -> Callable[[], None]:
            return partial(forget if state == "cold" else remember, artifact)

        mounted = self.workshop.contestant(
            f"run IMAGE, {state}",
            self.environments.project.argv("run", str(self.image), "--", "python", "-c", PROGRAM),
            before=prepared(self.image),
            size=lambda: size_of(self.image),
        )
        python = f"{self.place}/bin/python -c '{PROGRAM}'"
        unpack = self._lading("unpack", str(self.tarball), str(self.place))
        tar = f"mkdir {self.place} && tar -xf {self.other} -C {self.place}"
        unpacked = self._shell(
            f"unpack, {state}", f"{unpack} && {python}", prepared(self.tarball), self.tarball
        )
        by_tar = self._shell(
            f"tar, {state}",
            f"{tar} && {self.place}/bin/conda-unpack && {python}",
            prepared(self.other),
            self.other,
        )
        work = f"first line of a program, artifact {'not ' if state == 'cold' else ''}in memory"
        return self._compare(
            [
                Match(work=work, ours=mounted, theirs=unpacked, tool="lading unpack"),
                Match(work=work, ours=mounted, theirs=by_tar, tool="tar and conda-unpack"),
            ],
        )

    def joined(self) -> tuple[Comparison, ...]:
        """A mount in which the program ran before, against an unpacked tree."""
        self.environments.project.run("unpack", str(self.tarball), str(self.place))
        unpacked = self.workshop.contestant(
            "run PREFIX",
            self.environments.project.argv("run", str(self.place), "--", "python", "-c", PROGRAM),
        )
        nothing = self.workshop.contestant(
            "run true", self.environments.project.argv("run", str(self.image), "--", "true")
        )
        comparisons: list[Comparison] = []
        for way, how in (("", ()), (" by squashfuse_ll", ("--how", "namespace"))):
            words = ("run", *how, str(self.image), "--")
            argv = self.environments.project.argv(*words, "python", "-c", PROGRAM)
            mounted = self.workshop.contestant(f"run mounted{way}", argv)
            work = f"a program in an image that is mounted{way}, where it ran before"
            match = Match(work=work, ours=mounted, theirs=unpacked, tool="lading run PREFIX")
            with self._in_use(*words, "cat"):
                self.workshop.run(*argv)
                comparisons += self._compare([match])
                if not how:
                    work = "`true` in an image that is mounted"
                    comparisons += self._compare([Match(work=work, ours=nothing, theirs=None)])
        self.workshop.put_aside(self.place)
        return tuple(comparisons)

    @contextmanager
    def _in_use(self, *words: str) -> Iterator[None]:
        """An image, mounted as long as the block runs, by a program that copies its input."""
        argv = self.environments.project.argv(*words)
        with subprocess.Popen(
            argv,
            env=self.workshop.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdin is not None  # noqa: S101  # for the type checker
            assert child.stdout is not None  # noqa: S101  # for the type checker
            child.stdin.write(b"ready\n")
            child.stdin.flush()
            child.stdout.readline()
            yield
            child.stdin.close()

    def image_made(self) -> tuple[Comparison, ...]:
        """An image, by lading and by conda-pack."""
        images = self.workshop.directory / "images"
        argv = ("pack", "-f", "sqsh", "-o", str(images), NEWEST)
        first, again = (
            self.workshop.contestant(
                name,
                self.environments.project.argv(*argv, *options),
                size=lambda: size_of(images / self.image.name),
            )
            for name, options in (("pack sqsh", ("--no-frame-cache",)), ("pack sqsh, known", ()))
        )
        others = {
            zstd: self.environments.conda_pack(
                f"conda-pack squashfs {level}",
                NEWEST,
                "squashfs",
                *("--compress-level", level, "-j", "-1"),
            )
            for level, zstd in CONDA_PACK_LEVELS.items()
        }
        return self._compare(
            [
                Match(
                    work=f"pack an image (zstd 3), {state}",
                    ours=ours,
                    theirs=theirs,
                    tool=f"conda-pack -j -1 ({zstd}), of a prefix",
                )
                for state, ours in (("from archives", first), ("from known blocks", again))
                for zstd, theirs in others.items()
            ],
        )

    def unpacked_at_once(self) -> tuple[Comparison, ...]:
        """Many tasks that unpack to one place, against one."""
        unpack = self._lading("unpack", str(self.tarball), str(self.place))
        return self._at_once("unpack", unpack, self.tarball)

    def run_at_once(self) -> tuple[Comparison, ...]:
        """Many tasks that run a program in one image, against one."""
        return self._at_once("run", self._lading("run", str(self.image), "--", "true"), self.image)

    def _at_once(self, name: str, command: str, artifact: Path) -> tuple[Comparison, ...]:
        many = (
            f'pids=; for task in $(seq {TASKS}); do {command} & pids="$pids $!"; done;'
            " for pid in $pids; do wait $pid || exit 1; done"
        )
        ours, theirs = (
            self._shell(f"{number} {name}", script, partial(remember, artifact), artifact)
            for number, script in ((str(TASKS), many), ("one", command))
        )
        work = f"{TASKS} tasks {name} at once"
        return self._compare([Match(work=work, ours=ours, theirs=theirs, tool="one task")])

    def conda_unpack(self) -> tuple[Comparison, ...]:
        """The program in the tarball, without lading; ours compares with the bill as well."""
        ours, theirs = (
            self._shell(
                f"conda-unpack of {name}",
                f"{self.place}/bin/conda-unpack",
                self._extracted(tarball),
                tarball,
            )
            for name, tarball in (("lading", self.tarball), ("conda-pack", self.other))
        )
        return self._compare(
            [Match(work="conda-unpack (lading's compares, too)", ours=ours, theirs=theirs)],
        )

    def _extracted(self, tarball: Path) -> Callable[[], None]:
        def before() -> None:
            self.place.mkdir()
            self.workshop.run("/bin/tar", "-xf", str(tarball), "-C", str(self.place))

        return before
