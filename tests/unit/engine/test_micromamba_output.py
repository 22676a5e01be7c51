"""`lading.engine.micromamba_output`: what micromamba prints."""

import json

import pytest

from lading.conda.channels import ChannelUrl
from lading.engine.errors import BrokenRecordError
from lading.engine.micromamba_output import changed_names, read_records, solve_failure
from lading.errors import EngineFailedError, SpecError
from lading.system.process import Completed

CHANNEL = ChannelUrl("https://demo.invalid/channel")
SOURCES = {CHANNEL: "file:///mirror"}
ACTION = {
    "name": "tool",
    "version": "1.0",
    "build": "h0_0",
    "build_number": 0,
    "url": "file:///mirror/noarch/tool-1.0-h0_0.conda",
    "sha256": "0" * 64,
    "md5": "0" * 32,
    "depends": None,
    "constrains": None,
    "timestamp": 1746134436,
}


def _answer(stdout: str, stderr: str = "", returncode: int = 0) -> Completed:
    return Completed(argv=("micromamba",), returncode=returncode, stdout=stdout, stderr=stderr)


def test_record() -> None:
    """A record with nothing in its lists, its URL canonical, its time in milliseconds."""
    (record,) = read_records(_answer(json.dumps({"actions": {"LINK": [ACTION]}})), SOURCES)
    assert record.url == "https://demo.invalid/channel/noarch/tool-1.0-h0_0.conda"
    assert (record.subdir, record.channel, record.depends) == ("noarch", CHANNEL, ())
    assert record.timestamp == 1746134436000


def test_warnings_before_the_document() -> None:
    """Text before the JSON document is passed over."""
    text = "warning: old\n" + json.dumps({"actions": {"FETCH": [ACTION]}})
    assert len(read_records(_answer(text), SOURCES)) == 1


def test_changed_names() -> None:
    """What is unlinked or linked anew has changed."""
    actions = {"UNLINK": [{"name": "old"}], "LINK": [ACTION]}
    assert {"old", "tool"} == changed_names(_answer(json.dumps({"actions": actions})))


@pytest.mark.parametrize("stdout", ["", "nothing", '{"actions": {"LINK": [{}]}}'])
def test_not_understood(stdout: str) -> None:
    """Output of another kind is the engine's failure, never a traceback."""
    with pytest.raises(EngineFailedError, match="cannot be parsed"):
        read_records(_answer(stdout), SOURCES)


def test_bad_spec() -> None:
    """A MatchSpec that it does not read is the user's."""
    error = solve_failure(_answer("", 'critical libmamba Error parsing MatchSpec "x=="', 1))
    assert isinstance(error, SpecError)


def test_misread_record() -> None:
    """A version that it does not read is a channel's: specs are in a form that it reads."""
    text = 'critical libmamba Error parsing version "". Empty version.'
    assert isinstance(solve_failure(_answer("", text, 1)), BrokenRecordError)


def test_record_without_version() -> None:
    """A record whose version is none is refused with its archive's name."""
    text = json.dumps({"actions": {"LINK": [ACTION | {"version": "1..!!"}]}})
    with pytest.raises(BrokenRecordError, match=r"tool-1\.0-h0_0\.conda: malformed"):
        read_records(_answer(text), SOURCES)


def test_ended_by_a_signal() -> None:
    """A crash is told as such."""
    error = solve_failure(_answer("", "Assertion failed", -6))
    assert isinstance(error, EngineFailedError)
    assert "ended by signal 6: Assertion failed" in str(error)


def test_unknown_end() -> None:
    """Any other end keeps the exit code and the words."""
    error = solve_failure(_answer("", "critical libmamba the moon is wrong", 7))
    assert isinstance(error, EngineFailedError)
    assert "exit code 7" in str(error)
    assert error.details == ("critical libmamba the moon is wrong",)
