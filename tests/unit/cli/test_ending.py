"""How commands end."""

import errno
import json
from collections.abc import Callable
from typing import Never

import pytest

from lading.cli.ending import guarded
from lading.errors import FetchError

SECRET = "s3cr3t"  # noqa: S105  # the subject of these tests
URL = f"https://user:{SECRET}@host.example/t/{SECRET}/chan?sig={SECRET}"


def raising(error: BaseException) -> Callable[[], Never]:
    """A command that fails."""

    def call() -> Never:
        raise error

    return call


class Panic(BaseException):
    """As the panics of extension modules written in Rust."""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 71, "error: not enough memory\nhint: use fewer workers"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 71, "error: not enough memory\n"),
        (OSError(errno.EIO, "Input/output error", "/a"), 71, "error: /a: Input/output error\n"),
        (RuntimeError("can't start new thread"), 71, "error: not enough memory\n"),
        (
            ImportError("x.so: failed to map segment from shared object"),
            71,
            "error: not enough memory\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (ModuleNotFoundError("x", name="rattler.x"), 5, "hint: python -m pip install"),
        (ValueError(URL), 70, "ValueError: https://host.example/chan\nerror: internal error; "),
        (Panic(URL), 70, "Panic: https://host.example/chan\nerror: internal error; "),
        (FetchError(URL, hint=URL, details=(URL,)), 6, "error: https://host.example/chan\n"),
    ],
)
def test_every_end_has_a_code_and_holds_no_secret(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, words: str
) -> None:
    """A traceback is printed for mistakes in lading alone."""
    assert code == guarded(raising(error), ["--json"])
    done = capsys.readouterr()
    assert (True, False) == (words in done.err, SECRET in done.out + done.err)
    assert (code == 70) == ("Traceback" in done.err)
    if code not in {70, 130}:
        assert code == json.loads(done.out)["exit_code"]


def test_names_do_not_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences of a file name are shown as text."""
    guarded(raising(FetchError("\x1b]0;title\x07 \u202egpj \udcff")), [])
    assert "error: \\u001b]0;title\\u0007 \\u202egpj \\udcff\n" == capsys.readouterr().err
