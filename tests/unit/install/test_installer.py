"""Filling a prefix from a lock."""

import os
import shutil
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lading.conda.channels import MirrorMap
from lading.conda.records import RepodataRecord
from lading.engine.protocol import Engine, InstallRequest, SolveRequest
from lading.errors import (
    DigestMismatchError,
    EngineFailedError,
    FetchError,
    LockError,
    NotAPrefixError,
    PrefixError,
)
from lading.install.contents import CONTENTS_NAME
from lading.install.installer import Installed, apply_install, read_installed
from lading.install.plan import InstallPlan, plan_install
from lading.install.record import read_install_record
from lading.lock.model import Manager
from lading.lock.reading import read_lockfile
from simulators.channel import PLACEHOLDER, File, Package, Symlink
from simulators.project import ENVIRONMENT, Project
from simulators.records import locked

PACKAGES = (
    Package(
        name="tool",
        depends=("library",),
        files={
            "bin/tool": File(b"#!/bin/sh\necho " + PLACEHOLDER + b"\n", mode=0o755, text=True),
            "lib/link": Symlink("library"),
            "share/odd name": b"x",
        },
    ),
    Package(name="library", files={"lib/library": b"l" * 1000}, archive_format=".tar.bz2"),
)


@dataclass(slots=True)
class FailingEngine:
    """An engine that writes a part of the prefix and fails with `error`."""

    error: BaseException
    name: str = "failing"
    version: str = "0"
    requests: list[InstallRequest] = field(default_factory=list)

    def solve(self, request: SolveRequest) -> tuple[RepodataRecord, ...]:
        """Nothing is solved here."""
        raise NotImplementedError(request)

    def place_of_extracted(self, record: RepodataRecord, package_cache: Path) -> None:
        """It extracts nothing."""

    def install(self, request: InstallRequest) -> None:
        """Fail half way."""
        self.requests.append(request)
        (request.prefix / "lib").mkdir(parents=True)
        (request.prefix / "lib/half").write_bytes(b"")
        raise self.error


def plan_of(project: Project, *, bytecode: bool = True) -> InstallPlan:
    """The plan of installing the project."""
    return project.plan(bytecode=bytecode)


def apply(project: Project, engine: Engine, mirrors: MirrorMap | None = None) -> Installed:
    """Install with `engine`."""
    plan = replace(plan_of(project), mirrors=mirrors or project.mirrors)
    return apply_install(plan, project.tree, engine, inherited={"PATH": os.defpath})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of two packages."""
    return Project.of(tmp_path / "project", PACKAGES)


def test_a_prefix_is_filled(project: Project) -> None:
    """Files, links and placeholders are where and what they should be; the record says so.

    Bill and contents are read as they were made.
    """
    made = project.install()
    assert (f"#!/bin/sh\necho {project.prefix}\n", "library", b"x") == (
        (project.prefix / "bin/tool").read_text(),
        str((project.prefix / "lib/link").readlink()),
        (project.prefix / "share/odd name").read_bytes(),
    )
    record, found = read_install_record(project.prefix.parent), read(project)
    assert (made.record, plan_of(project).lockfile.digest.hex) == (record, made.record.lock)
    assert (made.record, made.contents) == (found.record, found.contents)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _project: None, True),
        (lambda project: project.lock.write_text(project.lock.read_text() + "\n"), False),
        (lambda project: (project.prefix.parent / "install.json").unlink(), False),
        (lambda project: shutil.rmtree(project.prefix), False),
    ],
    ids=["nothing", "lock changed", "record gone", "prefix gone"],
)
def test_what_is_current(project: Project, change: object, expected: object) -> None:
    """An installation is current while its lock, its record and its prefix are as they were."""
    project.install()
    assert callable(change)
    change(project)
    assert expected is plan_of(project).is_current


def test_other_options_are_another_installation(project: Project) -> None:
    """With and without bytecode or link scripts are different ones."""
    project.install(bytecode=False)
    lockfile = read_lockfile(project.lock)
    assert [True, False, False] == [
        plan_install(
            ENVIRONMENT, lockfile, project.tree, bytecode=code, link_scripts=run
        ).is_current
        for code, run in ((False, False), (True, False), (False, True))
    ]


def test_another_process_may_have_done_it(project: Project) -> None:
    """Who waited for the lock of another installation takes its result."""
    plan = plan_of(project)
    project.install()
    engine = FailingEngine(EngineFailedError("not asked"))
    done = apply_install(plan, project.tree, engine, inherited={"PATH": os.defpath})
    assert ([], read_install_record(project.prefix.parent)) == (engine.requests, done.record)


@pytest.mark.parametrize(
    "error", [EngineFailedError("no"), KeyboardInterrupt(), SystemExit(143), RuntimeError()]
)
def test_a_failure_leaves_no_prefix(project: Project, error: BaseException) -> None:
    """Whatever ends an installation half way, there is no prefix and no record."""
    with pytest.raises(type(error)):
        apply(project, FailingEngine(error))
    assert [path.name for path in project.prefix.parent.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError(), "too little memory"),
        (RecursionError(), "are nested too deeply"),
    ],
)
def test_what_overflows_is_told(project: Project, error: BaseException, told: str) -> None:
    """Whatever there is too little of, or too much, is an error of ours with a hint."""
    with pytest.raises(PrefixError, match=told) as caught:
        apply(project, FailingEngine(error))
    assert (True, False) == (bool(caught.value.hint), project.prefix.exists())


def test_a_directory_that_cannot_be_made_is_told(project: Project) -> None:
    """A file where the build directory should be is an error, no traceback."""
    (project.root / "build").write_text("")
    with pytest.raises(PrefixError, match="cannot install into"):
        project.install()


def test_a_failure_takes_the_old_installation_away(project: Project) -> None:
    """A prefix that was made from an older lock does not survive as if it were the new one."""
    project.install()
    project.lock.write_text(project.lock.read_text() + "\n")
    with pytest.raises(EngineFailedError):
        apply(project, FailingEngine(EngineFailedError("no")))
    assert (read_install_record(project.prefix.parent), project.prefix.exists()) == (None, False)


def test_an_archive_that_cannot_be_had(project: Project) -> None:
    """Without archives nothing is installed."""
    with pytest.raises(FetchError):
        apply(project, project.engine(), MirrorMap(mirrors={"https://demo.invalid": ("file:///",)}))
    assert not project.prefix.exists()


def test_a_changed_archive_is_refused(project: Project) -> None:
    """A channel that changed an archive after it was locked is found out before it is linked."""
    archive = project.channel.archives()["library-1.0-0"]
    archive.write_bytes(archive.read_bytes() + b"x")
    with pytest.raises(DigestMismatchError):
        project.install()
    assert not project.prefix.exists()


def test_pip_packages_need_a_python(project: Project) -> None:
    """A lock with pip packages and without python is refused."""
    wheel = project.root / "wheels/wheel-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"wheel")
    lockfile = read_lockfile(project.lock)
    lockfile = replace(
        lockfile, packages=(*lockfile.packages, locked("wheel", manager=Manager.PIP))
    )
    mirrors = MirrorMap(
        mirrors={**project.mirrors.mirrors, "https://files.invalid": (wheel.parent.as_uri(),)}
    )
    with pytest.raises(LockError, match="has pip packages and no python"):
        apply_install(
            replace(plan_install(ENVIRONMENT, lockfile, project.tree), mirrors=mirrors),
            project.tree,
            project.engine(),
            inherited={"PATH": os.defpath},
        )


def read(project: Project) -> Installed:
    """The finished installation."""
    return read_installed(plan_of(project))


def test_what_is_not_installed_cannot_be_read(project: Project) -> None:
    """Without an installation the hint says how to make it."""
    with pytest.raises(NotAPrefixError, match="is not installed from this lock") as caught:
        read(project)
    assert caught.value.hint == "run `lading install sample`"


@pytest.mark.parametrize("damage", [None, b"something else"])
def test_the_contents_must_be_those_of_the_bill(project: Project, damage: bytes | None) -> None:
    """Contents that are gone or were changed are not packed from."""
    project.install()
    path = project.prefix.parent / CONTENTS_NAME
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(NotAPrefixError) as caught:
        read(project)
    assert caught.value.hint == "run `lading install --force`"


def test_installations_wait_for_each_other(project: Project) -> None:
    """Two threads that install the same at once both get it."""
    results: list[Installed] = []
    threads = [threading.Thread(target=lambda: results.append(project.install())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [read_install_record(project.prefix.parent)] * 2 == [each.record for each in results]
