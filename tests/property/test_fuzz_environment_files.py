"""Whatever stands in an environment file or the settings: it is read, or refused by line."""

import json
import tempfile
from pathlib import Path

import yaml
from hypothesis import given, strategies as st

from lading.conda import Platform, canonical_channel, parse_matchspec
from lading.config import read_settings
from lading.errors import LadingError
from lading.lock.requested import read_sources
from simulators.fuzzing import (
    MEMORY,
    TEXTS,
    VALUES,
    edited_bytes,
    edited_document,
    outcome,
    usually,
)
from simulators.samples import ENVIRONMENT, SETTINGS

PIECES = st.sampled_from(
    [
        "numpy",
        "::",
        "=",
        "==",
        ">=",
        "<",
        "!=",
        "~=",
        "*",
        ".*",
        "|",
        ",",
        "[",
        "]",
        "(",
        ")",
        " ",
        "version=",
        "build=",
        "'",
        '"',
        "1.0",
        "a" * 70,
        "1!2",
        "_",
        "-",
        "^",
        "$",
        "://",
        "@",
        "#",
    ]
)
SPECS = st.lists(PIECES, max_size=10).map("".join) | TEXTS


def check(data: bytes) -> None:
    """`data` is refused, or an environment file that can be worked with."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name, "environment.yml")
        path.write_bytes(data)
        found = outcome(lambda: read_sources((path,)))
    if isinstance(found, LadingError):
        return
    assert isinstance(found.variables, dict)
    for platform in (Platform.LINUX_64, Platform.WIN_64, Platform.LINUX_S390X):
        outcome(lambda platform=platform: found.on(platform))
    for channel in found.files[0].channels:
        outcome(lambda channel=channel: canonical_channel(channel))


@usually
@given(edited_document(yaml.safe_load(ENVIRONMENT), 3, VALUES | SPECS))
def test_an_edited_file(document: object) -> None:
    """Other values in an environment file."""
    check(json.dumps(document).encode())


@usually
@given(edited_bytes(ENVIRONMENT.encode()))
def test_a_damaged_file(data: bytes) -> None:
    """Other bytes in one."""
    check(data)


@usually
@given(SPECS)
def test_any_matchspec(text: str) -> None:
    """Any text is a MatchSpec, or refused; one that was written by lading is read as it is."""
    found = outcome(lambda: parse_matchspec(text))
    if not isinstance(found, LadingError):
        assert found == parse_matchspec(found.text)


@usually
@given(
    edited_bytes(SETTINGS.encode()),
    st.sampled_from(["[", "a.", "{a=", "9", '"', "'''"]),
    st.sampled_from([0, 1, 1000, 10_000]),
)
def test_settings(data: bytes, piece: str, times: int) -> None:
    """Other bytes in `lading.toml`, any depth, any length of a number."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name, "lading.toml")
        for content in (data, b"x = " + piece.encode() * times, data + piece.encode() * times):
            path.write_bytes(content)
            outcome(lambda: read_settings(Path(name)))
