"""Assembling a prefix: what the engine links, what uv installs, and what lading writes itself.

The engine links; what it leaves to the installer's taste is written by lading afterwards, so that
the prefix does not depend on the engine: entry points, prefix records, history, bytecode.
"""

import logging
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lading.conda import RepodataRecord
from lading.engine import Engine, InstallRequest
from lading.errors import LockError, PrefixChangedError
from lading.install.archives import Archives
from lading.install.bytecode import Compiler, is_bytecode
from lading.install.contents import (
    ContentsRequest,
    PrefixContents,
    place_contents,
    python_layout,
    read_contents,
)
from lading.install.contents_file import write_contents_file
from lading.install.layout import BuildTree
from lading.install.link import link_packages, run_link_scripts
from lading.install.pip import PipInstall, install_pip_packages
from lading.install.placement import adopt_files, foreign_paths
from lading.install.plan import InstallPlan
from lading.install.record import FORMAT_VERSION, InstallRecord, list_files, write_install_record
from lading.install.update import NotUpdatableError, Update, move_packages, refuse_clobbering
from lading.lock import LockedPackage, Lockfile
from lading.package import PayloadFile
from lading.system import Progress
from lading.version import VERSION

__all__ = ["SCRIPTED", "UV_WORKPLACE", "Assembly", "Installed"]

SCRIPTED = "scripted"
"""Where copies of what link scripts made lie, beside the prefix."""

UV_WORKPLACE = ".uv"
"""Where uv is told what to install, beside the prefix, while it does."""

VARIABLE_KEY = "lading-variable-"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A finished installation.

    Attributes:
        plan: What was asked for.
        bill: What it consists of.
        contents: The same with the content of each file.
        moved: How many packages an update in place moved; None where there was none.
    """

    plan: InstallPlan
    bill: InstallRecord
    contents: PrefixContents
    moved: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Assembles the prefix of one plan; the caller sees to it that nobody else does.

    Attributes:
        plan: What is wanted.
        tree: Where things lie.
        engine: Who links the conda part.
        environment: Of child processes, without a trace of the caller's.
        progress: Told of each step.
    """

    plan: InstallPlan
    tree: BuildTree
    engine: Engine
    environment: Mapping[str, str]
    progress: Progress

    @property
    def engine_name(self) -> str:
        """Name and version of the engine."""
        return f"{self.engine.name} {self.engine.version}"

    def fill(self, archives: Archives) -> Installed:
        """Link everything into a prefix that is not there, and complete it.

        Raises:
            IntegrityError: An archive or an extracted package is not what it should be.
            EngineError: The engine or uv failed.
            LockError: There are pip packages and no python.
            PrefixError: Two packages cannot share a prefix.
        """
        extracted = self._link(self.plan.records, archives)
        adopted = self._run_scripts(extracted)
        self._install_pip(self.plan.wheels, extracted, archives)
        return self._complete(extracted, self._contents(extracted, adopted))

    def update(self, update: Update, archives: Archives) -> Installed | None:
        """Move what `update` says, and complete the prefix.

        Returns:
            None where that cannot be done: then the prefix is of no use any more.

        Raises:
            IntegrityError, EngineError, PrefixError: As `fill` does.
        """
        try:
            extracted = move_packages(
                update, self.plan.prefix, lambda records: self._link(records, archives)
            )
            # In the order in which an installation from nothing has them.
            names = [item.distribution for item in self.plan.records]
            extracted = {name: extracted[name] for name in names}
            self._install_pip(update.wheels, extracted, archives)
            contents = self._contents(extracted)
            refuse_clobbering(contents)
        except (NotUpdatableError, PrefixChangedError) as reason:
            _log.debug("%s is installed anew: %s", self.plan.environment, reason)
            return None
        placed = {
            item.path
            for payload in contents.payloads
            for item in payload.files
            if update.is_placed(item)
        }
        return replace(self._complete(extracted, contents, placed), moved=update.moved)

    def _link(self, records: tuple[RepodataRecord, ...], archives: Archives) -> dict[str, Path]:
        request = InstallRequest(
            platform=self.plan.lockfile.platform,
            records=records,
            archives=archives.conda,
            prefix=self.plan.prefix,
            package_cache=self.tree.package_cache,
            progress=self.progress,
        )
        return link_packages(self.engine, request)

    def _run_scripts(self, extracted: Mapping[str, Path]) -> tuple[PayloadFile, ...]:
        """What the link scripts made, if they are to run."""
        plan = self.plan
        if not plan.link_scripts:
            return ()
        before = set(foreign_paths(plan.prefix, ()))
        words = run_link_scripts(plan.records, extracted, plan.prefix, self.environment)
        for line in words.splitlines():
            _log.warning("a link script says: %s", line)
        made = [path for path in foreign_paths(plan.prefix, before) if not is_bytecode(path)]
        return adopt_files(made, plan.prefix, plan.directory / SCRIPTED)

    def _install_pip(
        self,
        packages: tuple[LockedPackage, ...],
        extracted: Mapping[str, Path],
        archives: Archives,
    ) -> None:
        if not packages:
            return
        python = python_layout(self.plan.records, extracted)
        if python is None:
            raise LockError(
                f"{self.plan.environment} has pip packages and no python",
                hint="add python and lock again",
            )
        request = PipInstall(
            packages=packages,
            wheels=archives.wheels,
            prefix=self.plan.prefix,
            python=python,
            cache=self.tree.state / "uv",
            environment=self.environment,
        )
        install_pip_packages(request, self.plan.directory / UV_WORKPLACE)

    def _contents(
        self, extracted: Mapping[str, Path], adopted: tuple[PayloadFile, ...] = ()
    ) -> PrefixContents:
        python = python_layout(self.plan.records, extracted)
        compiler = None
        if self.plan.bytecode and python is not None:
            compiler = Compiler(
                python=python,
                prefix=self.plan.prefix,
                cache=self.tree.bytecode_cache,
                environment=self.environment,
                workers=os.cpu_count() or 1,
                progress=self.progress,
            )
        return read_contents(
            ContentsRequest(
                records=self.plan.records,
                extracted=extracted,
                pip=self.plan.wheels,
                prefix=self.plan.prefix,
                compiler=compiler,
                variables=_variables(self.plan.lockfile),
                adopted=adopted,
            )
        )

    def _complete(
        self, extracted: Mapping[str, Path], contents: PrefixContents, placed: Collection[str] = ()
    ) -> Installed:
        """Write what is lading's, and the bill last."""
        plan = self.plan
        place_contents(contents, plan.prefix, placed)
        bill = InstallRecord(
            format=FORMAT_VERSION,
            lading=VERSION,
            engine=self.engine_name,
            environment=plan.environment,
            platform=plan.lockfile.platform,
            lock=plan.lockfile.digest.hex,
            bytecode=plan.bytecode,
            link_scripts=plan.link_scripts,
            prefix=str(plan.prefix),
            extracted={key: str(path) for key, path in extracted.items()},
            contents=write_contents_file(plan.directory, contents).hex,
            listed=list_files(contents.payloads, plan.prefix),
        )
        write_install_record(plan.directory, bill)
        return Installed(plan=plan, bill=bill, contents=contents)


def _variables(lockfile: Lockfile) -> dict[str, str]:
    """Name → value of the environment variables that the lock keeps."""
    return {
        key.removeprefix(VARIABLE_KEY): value
        for key, value in lockfile.metadata.items()
        if key.startswith(VARIABLE_KEY)
    }
