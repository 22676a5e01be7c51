"""`lading.engine.errors`: the words of an engine, as one of our errors."""

import pytest

from lading.engine.errors import BrokenRecordError, clean_lines, install_error, solve_error
from lading.errors import (
    ArchiveError,
    DigestMismatchError,
    EngineFailedError,
    FetchError,
    LadingError,
    SolveError,
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("error    libmamba File not valid: SHA256 doesn't match expectation", DigestMismatchError),
        ("failed to fetch x\nCaused by: hash mismatch", DigestMismatchError),
        ("failed to link\nCaused by: No space left on device (os error 28)", EngineFailedError),
        ("error    libmamba Could not set lock (Resource unavailable)", EngineFailedError),
        ("critical libmamba Download error (37) Couldn't read a file", FetchError),
        ("Caused by: an io error occurred: No such file or directory (os error 2)", FetchError),
        ("Caused by: failed to unpack `a`: No such file or directory", ArchiveError),
        ("error    libmamba Error opening archive: truncated bzip2 input", ArchiveError),
        ("something else", EngineFailedError),
        ("", EngineFailedError),
    ],
)
def test_kinds(text: str, kind: type[LadingError]) -> None:
    """Each complaint becomes the error whose exit code says what to do; the hint says it too."""
    error = install_error(clean_lines(text))
    assert type(error) is kind
    assert error.hint
    assert "libmamba" not in str(error)


@pytest.mark.parametrize("word", ["disk is full", "cache is in use"])
def test_hints(word: str) -> None:
    """A full disk and a held lock are named."""
    texts = {
        "disk is full": "x: No space left on device",
        "cache is in use": "Could not set lock, locked by 42",
    }
    assert word in str(install_error((texts[word],)))


def test_no_credentials() -> None:
    """No line keeps the credentials of a URL."""
    lines = clean_lines("cannot read 'https://user:pw@host.invalid/t/tok/ch/x.conda' now\n\n")
    assert lines == ("cannot read 'https://host.invalid/ch/x.conda' now",)


def test_noise() -> None:
    """Lines that say nothing are dropped."""
    assert clean_lines("advice: a\nb\n", [r"advice:"]) == ("b",)


def test_solve_error() -> None:
    """The explanation is kept line by line."""
    assert solve_error(("one", "two")).details == ("one", "two")


UNREADABLE = (
    "The following packages are incompatible",
    "└─ a * cannot be installed because there are no viable options:",
    "   └─ a 1.0 is excluded because the dependency 'b >=1,<' failed to parse: no version",
)


def test_records_that_cannot_be_read() -> None:
    """Where nothing else stands against a solution, the channel is to blame."""
    error = solve_error(UNREADABLE)
    assert isinstance(error, BrokenRecordError)
    assert "record: a 1.0 is excluded because the dependency" in str(error)


def test_records_that_cannot_be_read_among_others() -> None:
    """Where something else does as well, there is no solution."""
    assert isinstance(solve_error((*UNREADABLE, "└─ c * conflicts with d")), SolveError)
