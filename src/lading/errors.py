"""Every error that lading raises on purpose, as one tree.

Each direct child of `LadingError` owns one exit code; its descendants share it.

    LadingError
    ├── UsageError              2   the command line asks for something that cannot be meant
    ├── InputError              3   an input file is wrong
    │   ├── SpecError               environment.yml, pyproject.toml, a MatchSpec
    │   ├── LockError               a lockfile
    │   └── ManifestError           a pack manifest
    ├── SolveError              4   no solution
    ├── EngineError             5   the engine failed or is missing
    │   ├── EngineNotFoundError
    │   └── EngineFailedError
    ├── FetchError              6   a download failed
    ├── IntegrityError          7   a digest or an archive is wrong
    │   ├── DigestMismatchError
    │   ├── ArchiveError            truncated, not what it says, or foreign members
    │   └── UnsafePathError         a member that would leave the prefix
    ├── PrefixError             8   the prefix cannot be used
    │   ├── NotAPrefixError
    │   ├── NoSpaceError
    │   ├── PrefixExistsError
    │   ├── PrefixTooLongError
    │   └── PrefixChangedError      a file in it is not what was installed
    ├── ShipError               9   shipping failed
    │   └── OutputError             a tarball cannot be written where it should be
    └── MachineError           71   the machine failed: too little memory, an I/O error

Exit code 0 means yes or done, 1 means that the answer to a check is no: neither is an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class LadingError(Exception):
    """An error that the user can act on.

    Attributes:
        message: One line without full stop that names the thing.
        hint: The next action, one line, or empty.
        details: Further lines for a person, such as a solver's explanation or a program's last
            words; may be empty.
        expected: What should have been there, or empty.
        actual: What was there, or empty.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: tuple[str, ...] = (),
        expected: str = "",
        actual: str = "",
    ) -> None:
        """An error with its parts kept apart, so that each rendering can choose."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        self.expected = expected
        self.actual = actual

    def __reduce__(self) -> tuple[object, ...]:
        """How it is sent from a worker process: with all of its parts."""
        return Exception.__new__, (type(self), self.message), self.__dict__

    def __str__(self) -> str:
        """The message, on one line."""
        return " ".join(self.message.split())


class UsageError(LadingError):
    """The command line asks for something that cannot be meant."""

    exit_code = 2


class InputError(LadingError):
    """An input file is wrong."""

    exit_code = 3


class SpecError(InputError):
    """An environment file, the configuration or a MatchSpec is wrong."""


class LockError(InputError):
    """A lockfile is missing or wrong."""


class ManifestError(InputError):
    """A pack manifest is missing or wrong."""


class SolveError(LadingError):
    """No set of packages satisfies the request; `details` hold the engine's explanation."""

    exit_code = 4


class EngineError(LadingError):
    """The engine failed or is missing."""

    exit_code = 5


class EngineNotFoundError(EngineError):
    """The engine that was asked for is not installed."""


class EngineFailedError(EngineError):
    """The engine ended with an error that is none of the user's inputs."""


class FetchError(LadingError):
    """Something could not be downloaded."""

    exit_code = 6


class IntegrityError(LadingError):
    """A digest or an archive is wrong: the bytes are not those that were promised."""

    exit_code = 7


class DigestMismatchError(IntegrityError):
    """The bytes of a file have another digest than the one that was promised."""


class ArchiveError(IntegrityError):
    """An archive is truncated, damaged, or holds what its bill does not list."""


class UnsafePathError(IntegrityError):
    """An archive member would be written outside of the prefix, or is not a plain file or link."""


class PrefixError(LadingError):
    """The prefix cannot be used."""

    exit_code = 8


class NotAPrefixError(PrefixError):
    """The directory is not a prefix: it has no `conda-meta`."""


class NoSpaceError(PrefixError):
    """The place has too little space, or too few inodes."""


class PrefixExistsError(PrefixError):
    """The destination exists already."""


class PrefixTooLongError(PrefixError):
    """The path of the prefix is longer than a placeholder that it must replace."""


class PrefixChangedError(PrefixError):
    """A file of the prefix is not what was installed there."""


class ShipError(LadingError):
    """Shipping to a registry or to a node failed."""

    exit_code = 9


class MachineError(LadingError):
    """The machine failed: too little memory, or an error of the operating system."""

    exit_code = 71


class OutputError(ShipError):
    """A tarball or its bill cannot be written where it should be."""


@contextmanager
def raised_as(
    kind: type[LadingError],
    what: object,
    hint: str,
    causes: type[Exception] | tuple[type[Exception], ...] = OSError,
) -> Iterator[None]:
    """Raise what the block fails with as an error of `kind`: "`what`: the reason"."""
    try:
        yield
    except causes as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise kind(f"{what}: {reason}", hint=hint) from error
