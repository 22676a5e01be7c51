"""The environment that is packed: in three versions, for lading and for conda-pack."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.conda_prefix import make_conda_prefix
from bench.measure import Contestant, nothing
from bench.workshop import CHANNEL, ROOT, Project, Workshop, remove, size_of

__all__ = ["CHANGED", "NEWEST", "OTHER", "BenchEnvironments", "source_of"]

NEWEST, CHANGED, OTHER = "data-service", "one-package", "two-packages"
"""The environments: all packages newest; an older idna; older fsspec and s3fs."""

OLDER = {CHANGED: ("idna <3.20",), OTHER: ("fsspec <2026.9", "s3fs <2026.9")}


def source_of(name: str) -> str:
    """The `environment.yml` of one of the environments."""
    text = (ROOT / "examples/data-service/environment.yml").read_text("utf-8")
    return text + "".join(f"  - {spec}\n" for spec in OLDER.get(name, ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchEnvironments:
    """A project with `data-service` in three versions, and what conda-pack needs of them.

    Attributes:
        project: Installed, its frame cache empty.
        conda: Holds the prefixes for conda-pack, by environment.
    """

    project: Project
    conda: Path

    @classmethod
    def of(cls, workshop: Workshop) -> "BenchEnvironments":
        """The environments of a workshop, made when first asked for, with all installed."""
        root = workshop.directory / "project"
        if root.exists():
            project = Project(workshop=workshop, root=root)
            return cls(project=project, conda=workshop.directory / "conda")
        return cls._make(workshop)

    @classmethod
    def _make(cls, workshop: Workshop) -> "BenchEnvironments":
        sources = {name: source_of(name) for name in (NEWEST, *OLDER)}
        project = Project.make(workshop, "project", {CHANNEL: workshop.demo_channel}, sources)
        environments = cls(project=project, conda=workshop.directory / "conda")
        environments.output.mkdir()
        for name in sources:
            project.run("lock", name)
            project.run("install", name)
            make_conda_prefix(
                project.root / f"build/{name}/linux-64/prefix",
                project.root / ".lading/pkgs",
                environments.conda / name,
            )
        return environments

    @property
    def output(self) -> Path:
        """Where tarballs are written."""
        return self.project.root / "dist"

    def tarball(self, environment: str, format_: str = "tar.zst") -> Path:
        """Where lading writes it."""
        return self.output / f"{environment}-linux-64.{format_}"

    def lading_pack(
        self, name: str, environment: str, *options: str, before: Callable[[], None] = nothing
    ) -> Contestant:
        """`lading pack`; `name` is unique."""
        format_ = "tar.gz" if "tar.gz" in options else "tar.zst"
        tarball = self.tarball(environment, format_)
        argv = self.project.argv("pack", *options, "-o", str(self.output), environment)
        return self.project.workshop.contestant(
            name,
            argv,
            before=before,
            size=lambda: size_of(tarball),
            after=lambda: remove(tarball),
        )

    def conda_pack(self, name: str, environment: str, format_: str, *options: str) -> Contestant:
        """`conda-pack` of the same environment."""
        tarball = self.output / f"conda-pack-{name.replace(' ', '-')}.{format_}"
        argv = [
            self.project.workshop.program("conda-pack"),
            *("-q", "-p", str(self.conda / environment / "prefix"), "--format", format_, *options),
            *("-o", str(tarball)),
        ]
        return self.project.workshop.contestant(
            name, argv, size=lambda: size_of(tarball), after=lambda: remove(tarball)
        )

    def kept_conda_pack(self, environment: str) -> Path:
        """The tar.zst of conda-pack, made unless it is there."""
        tarball = self.output / f"{environment}-by-conda-pack.tar.zst"
        if not tarball.exists():
            contestant = self.conda_pack("kept", environment, "tar.zst")
            self.project.workshop.run(*contestant.argv[:-1], str(tarball))
        return tarball
