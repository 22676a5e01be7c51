"""Filling a prefix from a lock: plan, then apply; complete, or not there.

A prefix is complete when its bill lies beside it. The bill is the last that is written, and the
first that goes.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lading.conda import MirrorMap
from lading.engine import Engine
from lading.errors import NotAPrefixError, PrefixError
from lading.install.archives import fetch_archives
from lading.install.assembly import SCRIPTED, UV_WORKPLACE, Assembly, Installed
from lading.install.contents_file import CONTENTS_NAME, read_contents_file
from lading.install.layout import BuildTree
from lading.install.plan import InstallPlan, is_installed, plan_install
from lading.install.record import INSTALL_RECORD_NAME, read_install_record
from lading.install.update import ASIDE, INCOMING, find_update
from lading.system import Progress, no_progress, scrubbed_environment

__all__ = ["InstallPlan", "Installed", "apply_install", "plan_install", "read_installed"]

PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.05
QUIET_LOOKS = 3
BESIDE = (SCRIPTED, UV_WORKPLACE, ASIDE, INCOMING)
"""What a killed installation may have left besides its prefix."""


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

    Where only a few packages moved since the environment was installed, these are moved.

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
        if not (plan.is_current or plan.reinstall) and is_installed(plan):
            # Another process installed the same while this one waited.
            done = replace(plan, is_current=True)
            return read_installed(done)
        assembly = Assembly(
            plan=plan,
            tree=tree,
            engine=engine,
            environment=scrubbed_environment(inherited, tree.home),
            progress=progress,
        )
        update = find_update(plan, assembly.engine_name, tree.package_cache)
        _discard(plan, keep_prefix=update is not None)
        try:
            archives = fetch_archives(plan, tree, mirrors, inherited, progress)
            tree.home.mkdir(parents=True, exist_ok=True)
            if update is not None:
                updated = assembly.update(update, archives)
                if updated is not None:
                    return updated
                _discard(plan)
            return assembly.fill(archives)
        except BaseException:
            _discard_busy(plan)
            raise


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


def _discard(plan: InstallPlan, *, keep_prefix: bool = False) -> None:
    """Take the installation away, its bill first: what is half gone must not look complete."""
    for name in (INSTALL_RECORD_NAME, CONTENTS_NAME):
        (plan.directory / name).unlink(missing_ok=True)
    for name in (*([] if keep_prefix else [plan.prefix.name]), *BESIDE):
        path = plan.directory / name
        if path.exists():
            shutil.rmtree(path)


def _discard_busy(plan: InstallPlan) -> None:
    """Take away an installation that an engine may be writing to still.

    The threads of an embedded engine that failed or was interrupted go on for a moment, and make
    anew what was removed under them.
    """
    for name in (INSTALL_RECORD_NAME, CONTENTS_NAME):
        (plan.directory / name).unlink(missing_ok=True)
    for name in BESIDE:
        shutil.rmtree(plan.directory / name, ignore_errors=True)
    quiet = 0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        quiet = 0 if os.path.lexists(plan.prefix) else quiet + 1
        shutil.rmtree(plan.prefix, ignore_errors=True)
        time.sleep(LOOK_SECONDS)


def read_installed(plan: InstallPlan) -> Installed:
    """The installation that `plan` describes, as it was when it was completed.

    Raises:
        NotAPrefixError: It is not there, was made from another lock, or its records were changed.
    """
    bill = read_install_record(plan.directory)
    if bill is None or not plan.is_current:
        raise NotAPrefixError(
            f"{plan.environment} is not installed from this lock in {plan.prefix}",
            hint=f"run `lading install {plan.environment}`",
        )
    contents = read_contents_file(plan.directory, bill.contents)
    return Installed(plan=plan, bill=bill, contents=contents)
