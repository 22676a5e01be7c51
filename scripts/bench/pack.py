"""Section `pack`: packing, packing again, unpacking, updating a node; against conda-pack."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from time import monotonic

from bench.compare import Match, compare
from bench.conda_prefix import copy_tree, make_conda_prefix
from bench.measure import Contestant
from bench.report import Section
from bench.workshop import CHANNEL, ROOT, Project, Workshop, remove, size_of

__all__ = ["Yard", "run_pack"]

NEWEST, CHANGED, OTHER = "data-service", "one-package", "two-packages"
"""The environments: all packages newest; an older idna; older fsspec and s3fs."""

OLDER = {CHANGED: ("idna <3.20",), OTHER: ("fsspec <2026.9", "s3fs <2026.9")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """A project with `data-service` in three versions, and what conda-pack needs of them.

    Attributes:
        project: Installed, its frame cache empty.
        prefixes: Environment → the prefix for conda-pack.
        output: Where tarballs are written.
    """

    project: Project
    prefixes: dict[str, Path] = field(default_factory=dict)
    output: Path

    @classmethod
    def make(cls, workshop: Workshop) -> "Yard":
        """Lock and install each environment."""
        text = (ROOT / "examples/data-service/environment.yml").read_text("utf-8")
        sources = {NEWEST: text}
        for name, specs in OLDER.items():
            sources[name] = text + "".join(f"  - {spec}\n" for spec in specs)
        project = Project.make(workshop, "project", {CHANNEL: workshop.demo_channel}, sources)
        yard = cls(project=project, output=project.root / "dist")
        yard.output.mkdir()
        for name in sources:
            project.run("lock", name)
            project.run("install", name)
            yard.prefixes[name] = make_conda_prefix(
                project.root / f"build/{name}/linux-64/prefix",
                project.root / ".lading/pkgs",
                workshop.directory / f"conda/{name}",
            )
        return yard

    def tarball(self, environment: str, format_: str = "tar.zst") -> Path:
        """Where lading writes it."""
        return self.output / f"{environment}-linux-64.{format_}"

    def contestant(self, name: str, argv: Sequence[str], **options: Callable[[], None]) -> Contestant:
        """A program that runs in this project."""
        workshop = self.project.workshop
        return Contestant(
            name=name,
            argv=tuple(argv),
            environment=workshop.environment,
            directory=workshop.directory,
            **options,  # type: ignore[arg-type]
        )

    def lading_pack(self, name: str, environment: str, *options: str) -> Contestant:
        """`lading pack` without what earlier packs left; `name` is unique."""
        format_ = "tar.gz" if "tar.gz" in options else "tar.zst"
        tarball = self.tarball(environment, format_)
        argv = self.project.argv("pack", *options, "-o", str(self.output), environment)
        return replace(
            self.contestant(name, argv),
            size=lambda: size_of(tarball),
            after=lambda: remove(tarball),
        )

    def conda_pack(self, name: str, environment: str, format_: str, *options: str) -> Contestant:
        """`conda-pack` of the same environment."""
        tarball = self.output / f"conda-pack-{name.replace(' ', '-')}.{format_}"
        argv = [
            self.project.workshop.program("conda-pack"),
            *("-q", "-p", str(self.prefixes[environment]), "--format", format_, *options),
            *("-o", str(tarball)),
        ]
        return replace(
            self.contestant(name, argv),
            size=lambda: size_of(tarball),
            after=lambda: remove(tarball),
        )


def run_pack(workshop: Workshop, yard: Yard) -> Section:
    """Measure."""
    started = monotonic()
    comparisons = (*_cold(workshop, yard), *_again(workshop, yard), *_unpack(workshop, yard))
    return Section(
        name="pack",
        title="Pack and unpack",
        sized="tarball",
        notes=(
            "The example `data-service`. The prefix was installed before; its package cache is"
            " there, and the kernel has most of it in memory. *Cold*: no frame cache.",
            "conda-pack gets the very files of lading's prefix, with records that name the package"
            " cache, as conda leaves them; lading's own records do not, and make it slower. So"
            " that both tarballs hold the same files, bytecode included, packages that are not"
            " `noarch` have theirs in that cache, as packages of conda-forge do.",
            _members_note(workshop, yard),
            "*Again*: the frame cache holds what was packed with an older idna.",
            "*Unpack*: lading checks every file and relocates it; `tar` and `conda-unpack`"
            " relocate, and check nothing.",
        ),
        seconds=monotonic() - started,
        comparisons=comparisons,
    )


def _cold(workshop: Workshop, yard: Yard) -> tuple:
    conda_pack = yard.conda_pack("conda-pack", NEWEST, "tar.zst")
    threaded = yard.conda_pack("conda-pack -j -1", NEWEST, "tar.zst", "-j", "-1")
    levels = {
        level: yard.lading_pack(f"pack {level}", NEWEST, "--no-frame-cache", "--level", level)
        for level in ("default", "fast", "small")
    }
    matches = [
        Match(work=f"pack tar.zst, cold, level {level}", ours=item, theirs=conda_pack)
        for level, item in levels.items()
    ]
    matches.append(
        Match(
            work="pack tar.zst, cold, level default; conda-pack with threads",
            ours=levels["default"],
            theirs=threaded,
            tool="conda-pack -j -1",
        )
    )
    gzip = Match(
        work="pack tar.gz, cold",
        ours=yard.lading_pack("gz", NEWEST, "--no-frame-cache", "-f", "tar.gz"),
        theirs=yard.conda_pack("conda-pack gz", NEWEST, "tar.gz", "-j", "-1"),
        tool="conda-pack -j -1",
    )
    return (*compare(workshop, matches), *compare(workshop, [gzip]))
