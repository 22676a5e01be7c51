"""What must run while packing: python with its dependencies, and nothing else.

Packing compiles bytecode with the environment's python, which is unpacked for that and kept, and
installs wheels, for which it is linked, where nobody else sees it; everything else is read from
archives.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lading.conda import RepodataRecord
from lading.engine import Engine, InstallRequest
from lading.graph import dependencies_of, reachable
from lading.install.bytecode import Compiler
from lading.install.extracted import with_private_cache
from lading.install.layout import UV_WORKPLACE, BuildTree
from lading.install.link import check_and_extract, link_packages
from lading.install.package_cache import Archives, fetch_archives
from lading.install.pip import PipInstall, install_pip_packages, pip_payloads
from lading.install.plan import InstallPlan
from lading.install.unpacked_python import find_python
from lading.package import Payload, PythonLayout, resolve_clobbering
from lading.system import (
    Progress,
    hold_lock,
    no_progress,
    scrubbed_environment,
)

READY = "ready"
"""A file beside the prefix that says that it is linked."""
PYTHON = "python"
"""The prefix of the python that compiles."""


@dataclass(frozen=True, kw_only=True)
class PrivatePrefix:
    """A prefix that is linked when it is needed first.

    Attributes:
        directory: Holds the prefix, absolute; nobody else's, and removed by the caller.
    """

    plan: InstallPlan
    tree: BuildTree
    build_engine: Callable[[], Engine]
    inherited: Mapping[str, str]
    directory: Path
    progress: Progress = no_progress

    @property
    def prefix(self) -> Path:
        """The prefix, absolute."""
        return self.directory / "prefix"

    @property
    def environment(self) -> dict[str, str]:
        """Of the programs that run in it."""
        return scrubbed_environment(self.inherited, self.tree.home)

    def fetch(self, records: tuple[RepodataRecord, ...], *, wheels: bool = False) -> Archives:
        """Fetch the archives of some packages, and wheels if wanted; see `fetch_archives`."""
        names = {record.file_name for record in records}
        names |= {item.file_name for item in self.plan.wheels if wheels}
        downloads = tuple(item for item in self.plan.downloads if item.target.name in names)
        plan = replace(self.plan, conda=records, downloads=downloads)
        return fetch_archives(plan, self.tree, self.inherited, self.progress)

    def link(self) -> None:
        """Link python and what it needs, unless that is done; other processes wait.

        Raises:
            IntegrityError: An archive or an extracted package is not what it should be.
            EngineError: The engine failed.
        """
        with hold_lock(self.directory / ".lock"):
            if (self.directory / READY).exists():
                return
            tree = with_private_cache(self.tree)
            records = self._python_records
            archives = self.fetch(records)
            tree.home.mkdir(parents=True, exist_ok=True)
            request = InstallRequest(
                platform=self.plan.lockfile.platform,
                records=records,
                archives=archives.conda,
                prefix=self.prefix,
                package_cache=tree.package_cache,
                progress=self.progress,
            )
            engine = self.build_engine()
            check_and_extract(engine, request, tree.checked)
            link_packages(engine, request, tree.checked)
            (self.directory / READY).touch()

    @property
    def _python_records(self) -> tuple[RepodataRecord, ...]:
        """Python and all that it depends on."""
        needed = reachable(dependencies_of(self.plan.records), ["python"])
        return tuple(item for item in self.plan.records if item.name in needed)

    @cached_property
    def _python(self) -> Path:
        """Find a python to compile with, or unpack it; other processes wait."""
        place = self.directory / PYTHON
        with hold_lock(self.directory / ".python-lock"):
            if not place.exists():
                records = self._python_records
                archives = self.fetch(records).conda
                platform = self.plan.lockfile.platform
                find_python(records, archives, platform, place, self.tree.bytecode_cache)
        return place

    def compiler(self, python: PythonLayout) -> Compiler:
        """What compiles with the environment's python, which is found or unpacked when needed.

        Compiling may raise an IntegrityError, where an archive is not a sound package.
        """
        return Compiler(
            python=python,
            find_prefix=lambda: self._python,
            cache=self.tree.bytecode_cache,
            environment=self.environment,
            workers=1,
        )

    def install_wheels(self, python: PythonLayout) -> tuple[Payload, ...]:
        """Install the pip part; return what it put into the prefix, by name.

        Raises:
            EngineError: uv refused.
            PrefixError: Two packages bring a path with different contents.
        """
        self.link()
        install_pip_packages(
            PipInstall(
                packages=self.plan.wheels,
                wheels=self.fetch((), wheels=True).wheels,
                prefix=self.prefix,
                python=python,
                cache=self.tree.state / "uv",
                environment=self.environment,
            ),
            self.directory / UV_WORKPLACE,
        )
        return resolve_clobbering(pip_payloads(self.plan.wheels, self.prefix, python))[0]
