"""Filling a prefix from a lock: plan, then apply; complete, or not there.

The engine links; what it leaves to the installer's taste is written by lading afterwards, so that
the prefix does not depend on the engine: entry points, prefix records, history, bytecode.
"""

import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import lading
from lading.conda.channels import MirrorMap
from lading.engine.port import Engine, InstallRequest, Progress, no_progress
from lading.errors import LockError, NotAPrefixError, PrefixError
from lading.install.bill import (
    BILL_NAME,
    FORMAT_VERSION,
    InstallBill,
    bill_files,
    read_bill,
    write_bill,
)
from lading.install.bytecode import Compiler, is_bytecode
from lading.install.cargo import CargoFile
from lading.install.contents import (
    Contents,
    ContentsRequest,
    place_contents,
    python_layout,
    read_contents,
)
from lading.install.contents_file import (
    CONTENTS_NAME,
    read_contents_file,
    write_contents_file,
)
from lading.install.fetch import Network, fetch_all
from lading.install.layout import BuildTree
from lading.install.link import link_packages, run_link_scripts
from lading.install.package_cache import locate_archives
from lading.install.pip import PipInstall, install_pip_packages
from lading.install.placement import adopt_files, foreign_paths
from lading.install.plan import InstallPlan, is_installed, plan_install
from lading.lock.model import LockedPackage, Lockfile
from lading.process import scrubbed_environment

__all__ = ["InstallPlan", "Installed", "apply_install", "plan_install", "read_installed"]

PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.05
QUIET_LOOKS = 3
VARIABLE_KEY = "lading-variable-"
SCRIPTED = "scripted"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A finished installation.

    Attributes:
        plan: What was asked for.
        bill: What it consists of.
        contents: The same with the content of each file.
    """

    plan: InstallPlan
    bill: InstallBill
    contents: Contents


def apply_install(
    plan: InstallPlan,
    tree: BuildTree,
    engine: Engine,
    *,
    mirrors: MirrorMap,
    inherited: Mapping[str, str],
    progress: Progress = no_progress,
) -> Installed:
    """Carry out `plan`: afterwards the prefix is complete, or not there.

    Args:
        plan: From `plan_install`.
        tree: The same as for the plan.
        engine: Who links the conda part.
        mirrors: Where archives are fetched from.
        inherited: The caller's environment variables, of which children get a few.
        progress: Told of each step.

    Raises:
        FetchError: An archive cannot be had.
        IntegrityError: An archive or an extracted package is not what it should be.
        EngineError: The engine or uv failed.
        PrefixError: Two packages cannot share a prefix, or the disk is full.
    """
    with _prefix_errors(plan, tree), _exclusive(plan.directory):
        if not plan.is_current and is_installed(plan):
            # Another process installed the same while this one waited.
            done = replace(plan, is_current=True)
            return read_installed(done)
        _discard(plan)
        try:
            archives = fetch_archives(plan, tree, mirrors, inherited, progress)
            return _fill(plan, tree, engine, archives, inherited, progress)
        except BaseException:
            _discard_busy(plan)
            raise


def fetch_archives(
    plan: InstallPlan,
    tree: BuildTree,
    mirrors: MirrorMap,
    inherited: Mapping[str, str],
    progress: Progress = no_progress,
) -> dict[str, Path]:
    """Distribution string → archive; all that `plan` needs is on this machine afterwards.

    Raises:
        FetchError: An archive or a wheel cannot be had.
        DigestMismatchError: It has other bytes than the lock promises.
    """
    located = locate_archives(plan.archives, tree.layers)
    wanted = [item for item in plan.downloads if item.target not in located]
    network = Network(environment=inherited, offline=plan.offline)
    fetch_all(wanted, mirrors, progress, network)
    targets = {item.distribution: tree.package_cache / item.file_name for item in plan.conda}
    return {name: located.get(target, target) for name, target in targets.items()}


@contextmanager
def _prefix_errors(plan: InstallPlan, tree: BuildTree) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PrefixError(
            f"cannot install into {plan.prefix}: {error.strerror or error}",
            hint=f"free space in, or allow writing to, {tree.root}",
        ) from error


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Only one process at a time installs into `directory`; a killed one lets go by itself."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _discard(plan: InstallPlan) -> None:
    """Take the installation away, its bill first: what is half gone must not look complete."""
    for name in (BILL_NAME, CONTENTS_NAME):
        (plan.directory / name).unlink(missing_ok=True)
    for path in (plan.prefix, plan.directory / SCRIPTED):
        if path.exists():
            shutil.rmtree(path)


def _discard_busy(plan: InstallPlan) -> None:
    """Take away an installation that an engine may be writing to still.

    The threads of an embedded engine that failed or was interrupted go on for a moment, and make
    anew what was removed under them.
    """
    for name in (BILL_NAME, CONTENTS_NAME):
        (plan.directory / name).unlink(missing_ok=True)
    quiet = 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        quiet = 0 if os.path.lexists(plan.prefix) else quiet + 1
        shutil.rmtree(plan.prefix, ignore_errors=True)
        time.sleep(LOOK_SECONDS)


def _fill(
    plan: InstallPlan,
    tree: BuildTree,
    engine: Engine,
    archives: Mapping[str, Path],
    inherited: Mapping[str, str],
    progress: Progress,
) -> Installed:
    """Link, install the pip part, write what is lading's, and the bill last."""
    tree.home.mkdir(parents=True, exist_ok=True)
    environment = scrubbed_environment(inherited, tree.home)
    request = InstallRequest(
        platform=plan.lockfile.platform,
        records=plan.records,
        archives=archives,
        prefix=plan.prefix,
        package_cache=tree.package_cache,
        progress=progress,
    )
    extracted = link_packages(engine, request)
    adopted = _run_scripts(plan, extracted, environment)
    _install_pip(plan, tree, extracted, environment)
    contents = _contents(plan, tree, extracted, environment, progress, adopted)
    place_contents(contents, plan.prefix)
    bill = InstallBill(
        format=FORMAT_VERSION,
        lading=lading.__version__,
        engine=f"{engine.name} {engine.version}",
        environment=plan.environment,
        platform=plan.lockfile.platform,
        lock=plan.lockfile.digest.hex,
        bytecode=plan.bytecode,
        link_scripts=plan.link_scripts,
        prefix=str(plan.prefix),
        extracted={key: str(path) for key, path in extracted.items()},
        contents=write_contents_file(plan.directory, contents).hex,
        files=bill_files(contents.cargoes, plan.prefix),
    )
    write_bill(plan.directory, bill)
    return Installed(plan=plan, bill=bill, contents=contents)


def _run_scripts(
    plan: InstallPlan, extracted: Mapping[str, Path], environment: Mapping[str, str]
) -> tuple[CargoFile, ...]:
    """What the link scripts made, if they are to run."""
    if not plan.link_scripts:
        return ()
    before = set(foreign_paths(plan.prefix, ()))
    words = run_link_scripts(plan.records, extracted, plan.prefix, environment)
    for line in words.splitlines():
        _log.warning("a link script says: %s", line)
    made = [path for path in foreign_paths(plan.prefix, before) if not is_bytecode(path)]
    return adopt_files(made, plan.prefix, plan.directory / SCRIPTED)


def _contents(
    plan: InstallPlan,
    tree: BuildTree,
    extracted: Mapping[str, Path],
    environment: Mapping[str, str],
    progress: Progress,
    adopted: tuple[CargoFile, ...],
) -> Contents:
    python = python_layout(plan.records, extracted)
    compiler = None
    if plan.bytecode and python is not None:
        compiler = Compiler(
            python=python,
            prefix=plan.prefix,
            cache=tree.bytecode_cache,
            environment=environment,
            workers=os.cpu_count() or 1,
            progress=progress,
        )
    return read_contents(
        ContentsRequest(
            records=plan.records,
            extracted=extracted,
            pip=_pip_packages(plan),
            prefix=plan.prefix,
            compiler=compiler,
            variables=_variables(plan.lockfile),
            adopted=adopted,
        )
    )


def _variables(lockfile: Lockfile) -> dict[str, str]:
    """Name → value of the environment variables that the lock keeps."""
    return {
        key.removeprefix(VARIABLE_KEY): value
        for key, value in lockfile.metadata.items()
        if key.startswith(VARIABLE_KEY)
    }


def _pip_packages(plan: InstallPlan) -> tuple[LockedPackage, ...]:
    return tuple(item for item in plan.lockfile.pip if not item.optional)


def _install_pip(
    plan: InstallPlan,
    tree: BuildTree,
    extracted: Mapping[str, Path],
    environment: Mapping[str, str],
) -> None:
    packages = _pip_packages(plan)
    if not packages:
        return
    python = python_layout(plan.records, extracted)
    if python is None:
        raise LockError(
            f"{plan.environment} has pip packages and no python", hint="add python and lock again"
        )
    request = PipInstall(
        packages=packages,
        wheels=tree.wheel_cache,
        prefix=plan.prefix,
        python=python,
        cache=tree.state / "uv",
        environment=environment,
    )
    install_pip_packages(request, plan.directory / "requirements.txt")


def read_installed(plan: InstallPlan) -> Installed:
    """The installation that `plan` describes, as it was when it was completed.

    Raises:
        NotAPrefixError: It is not there, was made from another lock, or its records were changed.
    """
    bill = read_bill(plan.directory)
    if bill is None or not plan.is_current:
        raise NotAPrefixError(
            f"{plan.environment} is not installed from this lock in {plan.prefix}",
            hint=f"run `lading install {plan.environment}`",
        )
    contents = read_contents_file(plan.directory, bill.contents)
    return Installed(plan=plan, bill=bill, contents=contents)
