"""The process that conda-lock runs in.

It gets a home of its own, no configuration of the caller's conda, pip, Poetry or keyring, and an
order of sets that does not change from run to run.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from lading.errors import EngineFailedError, LadingError, LockError, SpecError, raised_as
from lading.lock.exchange import FAILURES, Failure, Operation
from lading.system import (
    Completed,
    Run,
    decode_json,
    is_temporary_of,
    redact,
    remove_stale_temporaries,
    run,
    scrubbed_environment,
    temporary_directory,
)

MODULE = "lading.lock.condalock"

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaLock:
    """conda-lock, asked through `ask`.

    Attributes:
        state_directory: Absolute, private to the build; its home and HTTP cache lie there.
        inherited_environment: Of the caller; proxies and certificates are taken from it.
    """

    state_directory: Path
    inherited_environment: Mapping[str, str]
    runner: Callable[[Run], Completed] = run

    def ask(self, operation: Operation, question: msgspec.Struct, kind: type[Answer]) -> Answer:
        """The answer to `question`.

        Raises:
            SpecError: A source is wrong.
            SolveError: The pip part has no solution.
            FetchError: The package index could not be read.
            LockError: Its home cannot be made.
            EngineFailedError: It ended without an answer.
        """
        home = self.state_directory / "home"
        with ExitStack() as stack:
            what, hint = f"cannot write {self.state_directory}", "make room, or let it be written"
            with raised_as(LockError, what, hint):
                home.mkdir(parents=True, exist_ok=True)
                # A killed run may have left a question with the password of a package index.
                remove_stale_temporaries(self.state_directory, is_temporary_of("ask"))
                workplace = temporary_directory(self.state_directory, "ask")
                path = stack.enter_context(workplace) / "question.json"
                path.write_bytes(msgspec.json.encode(question))
            completed = self.runner(
                Run(
                    # -P: a directory of that name in the current directory is not the package.
                    argv=(sys.executable, "-P", "-m", MODULE, operation.value, str(path)),
                    environment=self._environment(home),
                    directory=home,
                )
            )
        if operation is Operation.READ and completed.returncode < 0:
            raise SpecError(
                "conda-lock crashed while it read the sources",
                hint="simplify the source that is not an environment file",
            )
        return _decoded(completed, kind)

    def _environment(self, home: Path) -> dict[str, str]:
        return scrubbed_environment(
            self.inherited_environment,
            home,
            {
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "PYTHONHASHSEED": "0",
                "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
                "POETRY_CONFIG_DIR": str(home / "poetry"),
                "POETRY_CACHE_DIR": str(self.state_directory / "poetry"),
                "POETRY_KEYRING_ENABLED": "false",
                "POETRY_REQUESTS_MAX_RETRIES": "2",
            },
        )


def _decoded(completed: Completed, kind: type[Answer]) -> Answer:
    if completed.returncode != 0:
        _log.debug("conda-lock: %s", completed.stderr)
        raise EngineFailedError(
            "conda-lock ended without an answer",
            hint="run again with -v, which shows its traceback, and report it",
            details=completed.last_lines()[-1:],
        )
    data = completed.stdout.encode()
    if data.startswith(b'{"failure"'):
        raise _error(decode_json(data, Failure))
    return decode_json(data, kind)


def _error(failure: Failure) -> LadingError:
    kind, hint = FAILURES[failure.failure]
    # conda-lock may quote a URL with a password in it.
    return kind(
        redact(failure.message),
        hint=failure.hint or hint,
        details=tuple(map(redact, failure.details)),
    )
