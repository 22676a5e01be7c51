"""A project that is locked against a simulated channel, for tests."""

from dataclasses import dataclass
from pathlib import Path

from lading.conda.channels import MirrorMap
from lading.conda.names import Platform
from lading.engine.embedded import EmbeddedEngine
from lading.engine.protocol import Engine
from lading.lock.isolation import CondaLock
from lading.lock.reading import read_lockfile
from lading.lock.request import LockOutcome, LockRequest
from lading.lock.requested import read_sources
from lading.lock.solve import apply_lock, plan_lock, read_lock_inputs, solve_lock
from simulators.channel import CANONICAL
from simulators.condalock import expect_that_conda_lock_reads, quick_conda_lock

__all__ = ["LockProject"]


@dataclass(frozen=True, slots=True)
class LockProject:
    """A project at `root` with one `environment.yml`, its channel read from `location`."""

    root: Path
    location: str

    @property
    def source(self) -> Path:
        """The environment file."""
        return self.root / "environment.yml"

    @property
    def locks(self) -> Path:
        """Where the lockfiles are written."""
        return self.root / "locks"

    def write(self, *dependencies: str, channel: str = CANONICAL, head: str = "") -> None:
        """Write the environment file."""
        self.root.mkdir(parents=True, exist_ok=True)
        lines = [f"channels: ['{channel}']", head, "dependencies:"]
        lines += [f"  - {dependency}" for dependency in dependencies]
        self.source.write_text("\n".join(lines) + "\n")

    def request(self, **more: object) -> LockRequest:
        """A request to lock it for linux-64, unless told otherwise."""
        values: dict[str, object] = {
            "name": "service",
            "directory": self.root,
            "sources": read_sources([self.source]),
            "platforms": (Platform.LINUX_64,),
            "mirrors": MirrorMap(mirrors={CANONICAL: (self.location,)}),
            "conda_lock": self.conda_lock(),
        }
        return LockRequest(**(values | more))

    def conda_lock(self) -> CondaLock:
        """conda-lock in this process."""
        return quick_conda_lock(self.root / ".lading" / "conda-lock")

    def lock(self, engine: Engine | None = None, **more: object) -> LockOutcome:
        """What becomes of it."""
        request = self.request(**more)
        plan = plan_lock(request, read_lock_inputs(request))
        engine = engine or EmbeddedEngine(self.root / ".lading" / "e")
        outcome = apply_lock(solve_lock(plan, engine))
        for item in outcome.platforms:
            expect_that_conda_lock_reads(item.path)
            assert read_lockfile(item.path) == item.lockfile
        return outcome
