"""`lading bootstrap` over a network, as a user runs it."""

from pathlib import Path

from lading.system.digest import sha256_of
from simulators.channel import Package
from simulators.engine_project import EngineProject
from simulators.faults import Fault, serve_faults
from simulators.project import ENVIRONMENT

PROGRAM = b"#!/bin/sh\necho 2.8.1\n" + b"#" * 3_000_000
DIGEST = sha256_of(PROGRAM).hex


def test_a_broken_download_goes_on(tmp_path: Path) -> None:
    """What came before the connection broke is not fetched again; then it is the engine."""
    project = EngineProject.of(tmp_path / "project", "embedded", [Package(name="a")])
    with serve_faults({"/micromamba": PROGRAM}, [Fault.DROP] * 3) as server:
        words = ("bootstrap", "--from", f"{server.url}/micromamba", "--sha256", DIGEST)
        done = project.lading(*words)
        if done.code:
            assert (6, True) == (done.code, done.is_plain_error)
            done = project.lading(*words)
        assert 0 == done.code, done.stderr
        starts = [int(given.removeprefix("bytes=").rstrip("-") or 0) for _, given in server.asked]
    assert starts == sorted(set(starts))
    path = project.base.tree.micromamba
    assert (PROGRAM, 0o755) == (path.read_bytes(), path.stat().st_mode & 0o777)


def test_what_was_brought_must_be_a_micromamba(tmp_path: Path) -> None:
    """A wrong digest is refused with 7; the right one of another program is found out with 5."""
    project = EngineProject.of(tmp_path / "project", "embedded", [Package(name="a")])
    with serve_faults({"/page": b"<html>no program</html>"}) as server:
        words = ("bootstrap", "--from", f"{server.url}/page", "--sha256")
        done = project.lading(*words, DIGEST)
        assert (7, True, False) == (
            done.code,
            done.is_plain_error,
            project.base.tree.micromamba.exists(),
        )
        assert 0 == project.lading(*words, sha256_of(b"<html>no program</html>").hex).code
    done = project.lading("install", ENVIRONMENT, LADING_ENGINE="micromamba")
    assert (5, True) == (done.code, done.is_plain_error), done.stderr
