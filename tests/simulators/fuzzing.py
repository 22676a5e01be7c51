"""What the fuzzing tests share: odd values, edits of bytes and documents, and what must hold.

`make fuzz` runs these tests again and again with the profile `fuzz` (see `tests/conftest.py`).
"""

import copy
import os
import signal
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TypeVar

from hypothesis import HealthCheck, settings, strategies as st

from lading.errors import LadingError
from lading.report import render_error
from lading.system import redact

__all__ = [
    "MEMORY",
    "NAMES",
    "NUMBERS",
    "SECRET",
    "TEXTS",
    "VALUES",
    "edited_bytes",
    "edited_document",
    "outcome",
    "rarely",
    "state_of",
    "usually",
]

Result = TypeVar("Result")

SECRET = "Tk9secretTk9"  # noqa: S105  # of nothing
"""Stands in inputs, and must not stand in an error."""

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""Where files need no disk."""

SECONDS = 20
"""No call takes longer, on the slowest machine: else it hangs."""

usually = settings(deadline=None, suppress_health_check=list(HealthCheck))
rarely = settings(usually, max_examples=max(1, usually.max_examples // 4))
"""For what takes a hundredth of a second."""

ODD_TEXTS = [
    "",
    ".",
    "..",
    "../evil",
    "a/../../evil",
    "/evil",
    "a//b",
    "a/./b",
    "a/",
    "a\0b",
    "a\nb",
    "\x1b[31m",
    "\ud800",
    "ünï",
    "a" * 256,
    "a/" * 600 + "a",
    "conda-meta",
    "conda-meta/lading",
    "conda-meta/lading/manifest.json",
    "conda-meta/lading/state.json",
    "-rf",
    "%s{}$(id)`id`",
    "0" * 64,
    "f" * 64,
    "0644",
    "4755",
    "file",
    "link",
    "directory",
    "text",
    "binary",
    "NaN",
    "9" * 5000,
]
TEXTS = st.sampled_from(ODD_TEXTS) | st.text(max_size=12)
NAMES = st.sampled_from(["a", "b", "a/b", "a/b/c", "b/a", "d/e", "A", "bin/x", *ODD_TEXTS[:19]])
NUMBERS = st.sampled_from([0, 1, -1, 511, 512, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 10**30])
VALUES = st.one_of(
    TEXTS,
    NUMBERS,
    st.integers(-5, 5000),
    st.sampled_from([None, True, False, 1.5, -0.0, [], {}, [[]], {"a": None}, [None] * 3]),
)


def _expired(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"it took longer than {SECONDS} seconds")


@contextmanager
def _within() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _expired)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(call: Callable[[], Result]) -> Result | LadingError:
    """The result of `call`, or the error that it is refused with.

    Any other exception fails the test, and so does an error that holds `SECRET` or a line too many.
    """
    result: Result | LadingError
    try:
        with _within():
            result = call()
    except LadingError as error:
        result = error
    if isinstance(result, LadingError):
        answer = render_error(result)
        shown = redact(answer.text + answer.json)
        assert str(result)
        assert SECRET not in shown, shown
    return result


def state_of(directory: Path) -> Mapping[str, tuple[int, int, bytes]]:
    """Path → type and permissions, number of the file, content: of everything in `directory`."""
    result = {}
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            path = Path(parent, name)
            status = path.lstat()
            data = b""
            if stat.S_ISLNK(status.st_mode):
                data = os.fsencode(path.readlink())
            elif stat.S_ISREG(status.st_mode):
                data = path.read_bytes()
            result[str(path)] = (status.st_mode, status.st_ino, data)
    return result


@st.composite
def edited_bytes(draw: st.DrawFn, original: bytes, most: int = 3) -> bytes:
    """`original` with bits flipped, pieces cut out, doubled, exchanged or put in."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, most))):
        # Both ends are where lengths, magic numbers and tables stand.
        near = st.integers(0, min(64, len(data)))
        place = draw(st.integers(0, len(data)) | near | near.map(lambda n: len(data) - n))
        length = draw(st.integers(0, 16) | st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "cut", "insert", "double", "move", "end", "number"])):
            case "flip" if place < len(data):
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[place : place + length]
            case "insert":
                data[place:place] = draw(st.binary(max_size=40))
            case "double":
                data[place:place] = data[place : place + length]
            case "move":
                piece = data[place : place + length]
                del data[place : place + length]
                to = draw(st.integers(0, len(data)))
                data[to:to] = piece
            case "end":
                del data[place:]
            case _:
                number = draw(st.sampled_from([0, 1, 2**16, 2**31, 2**32 - 1]))
                data[place : place + 4] = number.to_bytes(4, "little")
    return bytes(data)


def _places(document: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The paths to every value below a document."""
    pairs: Sequence[tuple[object, object]] = ()
    if isinstance(document, dict):
        pairs = list(document.items())
    elif isinstance(document, list):
        pairs = list(enumerate(document))
    for key, value in pairs:
        yield (*path, key)
        yield from _places(value, (*path, key))


@st.composite
def edited_document(
    draw: st.DrawFn, original: object, most: int = 3, values: st.SearchStrategy[object] = VALUES
) -> object:
    """`original`, of lists and mappings, with values replaced, taken away, doubled or exchanged."""
    document = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, most))):
        places = list(_places(document))
        if not places:
            break
        *way, key = draw(st.sampled_from(places))
        inside = document
        for step in way:
            inside = inside[step]
        match draw(
            st.sampled_from(
                ["replace", "replace", "replace", "remove", "double", "exchange", "add"]
            )
        ):
            case "remove":
                del inside[key]
            case "double" if isinstance(inside, list):
                inside.insert(key, copy.deepcopy(inside[key]))
            case "exchange":
                keys = list(inside) if isinstance(inside, dict) else range(len(inside))
                other = draw(st.sampled_from(keys))
                inside[key], inside[other] = inside[other], inside[key]
            case "add" if isinstance(inside, dict):
                inside[draw(st.text(max_size=5))] = copy.deepcopy(draw(values))
            case _:
                inside[key] = copy.deepcopy(draw(values))
    return document
