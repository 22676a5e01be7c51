"""`lading.lock.isolation`: conda-lock in a process with nothing of the caller's."""

import os
from pathlib import Path

import msgspec
import pytest

from lading.errors import (
    EngineFailedError,
    FetchError,
    LadingError,
    SolveError,
    SpecError,
)
from lading.lock.exchange import Operation, SourceAnswer, SourceQuestion
from lading.lock.isolation import CondaLock
from lading.system.process import Completed
from lading.system.program import Run

QUESTION = SourceQuestion(sources=(), platforms={}, channels=(), mapping="")
ANSWER = SourceAnswer(channels=(), content_hash={}, conda={}, pip={})


def _answering(tmp_path: Path, stdout: str, returncode: int = 0) -> CondaLock:
    def answer(request: Run) -> Completed:
        errors = "Traceback\n  x\nwhy\n"
        return Completed(argv=request.argv, returncode=returncode, stdout=stdout, stderr=errors)

    return CondaLock(state_directory=tmp_path / "state", inherited_environment={}, runner=answer)


@pytest.mark.parametrize("kind", [SpecError, SolveError, FetchError])
def test_failures(tmp_path: Path, kind: type[LadingError]) -> None:
    """Whose fault it was decides the exit code."""
    told = f'{{"failure":"{kind.__name__}","message":"m","details":["d"]}}'
    with pytest.raises(kind) as caught:
        _answering(tmp_path, told).ask(Operation.READ, QUESTION, SourceAnswer)
    assert (str(caught.value), caught.value.details) == ("m", ("d",))
    assert caught.value.hint


def test_crash(tmp_path: Path) -> None:
    """Of an end without an answer the last line is told, not conda-lock's traceback."""
    with pytest.raises(EngineFailedError) as caught:
        _answering(tmp_path, "", 1).ask(Operation.READ, QUESTION, SourceAnswer)
    assert caught.value.details == ("why",)


def test_a_killed_run_leaves_no_question(tmp_path: Path) -> None:
    """The next one removes it: it may hold the password of a package index."""
    left = tmp_path / "state/.ask.lading-abcdefgh/question.json"
    left.parent.mkdir(parents=True)
    left.touch()
    with pytest.raises(EngineFailedError):
        _answering(tmp_path, "", 1).ask(Operation.READ, QUESTION, SourceAnswer)
    assert not left.exists()


def test_environment_of_the_child(tmp_path: Path) -> None:
    """It has a home of its own, no keyring, and none of the caller's settings."""
    seen: list[Run] = []

    def answer(request: Run) -> Completed:
        seen.append(request)
        return Completed(
            argv=(), returncode=0, stdout=msgspec.json.encode(ANSWER).decode(), stderr=""
        )

    inherited = {"HOME": "/home/user", "PIP_INDEX_URL": "x", "POETRY_HTTP_BASIC_A": "y"}
    conda_lock = CondaLock(state_directory=tmp_path, inherited_environment=inherited, runner=answer)
    conda_lock.ask(Operation.READ, QUESTION, SourceAnswer)
    environment = seen[0].environment
    assert str(tmp_path / "home") == environment["HOME"]
    assert not {"PIP_INDEX_URL", "POETRY_HTTP_BASIC_A"} & environment.keys()
    assert environment["POETRY_KEYRING_ENABLED"] == "false"
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


def test_real_process(tmp_path: Path) -> None:
    """The process starts, answers, and leaves nothing in its home."""
    conda_lock = CondaLock(state_directory=tmp_path, inherited_environment=os.environ)
    assert conda_lock.ask(Operation.READ, QUESTION, SourceAnswer) == ANSWER
    assert list((tmp_path / "home").iterdir()) == []
