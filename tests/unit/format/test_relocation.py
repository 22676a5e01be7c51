"""What relocation rewrites, kept in the environment."""

import json
from pathlib import Path

import pytest

from lading.conda.paths import FileMode
from lading.errors import NotAPrefixError
from lading.format.relocation import (
    RECORD_PATH,
    STATE_PATH,
    Relocation,
    State,
    read_record,
    read_state,
    render_record,
    render_state,
)

TEXT = Relocation(path="etc/conf", size=20, placeholder="/p", mode=FileMode.TEXT, groups=((0, 5),))
BINARY = Relocation(
    path="lib/x", size=20, placeholder="/p", mode=FileMode.BINARY, groups=((1, 4), (6, 9))
)


def put(prefix: Path, path: str, data: bytes) -> Path:
    """A prefix with `data` at `path`."""
    (prefix / path).parent.mkdir(parents=True, exist_ok=True)
    (prefix / path).write_bytes(data)
    return prefix


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading are inverse."""
    prefix = put(tmp_path, RECORD_PATH, render_record([TEXT, BINARY]))
    assert (TEXT, BINARY) == read_record(prefix)


def test_an_environment_without_record(tmp_path: Path) -> None:
    """A directory that lading did not make is told from a damaged one."""
    with pytest.raises(NotAPrefixError, match="was not unpacked from a tarball of lading"):
        read_record(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"version":1}'])
def test_a_damaged_record(tmp_path: Path, data: bytes) -> None:
    """A record that cannot be read says so."""
    with pytest.raises(NotAPrefixError, match=r"relocation\.json is damaged"):
        read_record(put(tmp_path, RECORD_PATH, data))


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "../etc/conf"},
        {"path": "/etc/conf"},
        {"path": ""},
        {"placeholder": ""},
        {"placeholder": "a\0"},
        {"groups": []},
        {"groups": [[]]},
        {"groups": [[5, 0]]},
        {"groups": [[0], [5]]},
        {"groups": [[-1, 5]]},
        {"groups": [[0, 20]]},
        {"mode": "binary", "groups": [[1]]},
        {"mode": "binary", "groups": [[6, 9], [1, 4]]},
    ],
)
def test_a_record_that_cannot_be_followed(tmp_path: Path, changes: dict[str, object]) -> None:
    """Paths must stay in the prefix, offsets must be such."""
    document = json.loads(render_record([TEXT]))
    document["files"][0].update(changes)
    with pytest.raises(NotAPrefixError, match="is damaged"):
        read_record(put(tmp_path, RECORD_PATH, json.dumps(document).encode()))


def test_a_record_of_another_version(tmp_path: Path) -> None:
    """A record of a later version is not misunderstood."""
    data = render_record([]).replace(b'"version":1', b'"version":2')
    with pytest.raises(NotAPrefixError, match="is damaged"):
        read_record(put(tmp_path, RECORD_PATH, data))


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading are inverse."""
    state = State(prefix="/ünï x", manifest="0" * 64)
    assert state == read_state(put(tmp_path, STATE_PATH, render_state(state)))


def test_without_state_another_tool_extracted_it(tmp_path: Path) -> None:
    """Tar leaves no state."""
    assert None is read_state(tmp_path)


def test_a_damaged_state(tmp_path: Path) -> None:
    """A state that cannot be read says so."""
    with pytest.raises(NotAPrefixError, match=r"state\.json is damaged"):
        read_state(put(tmp_path, STATE_PATH, b"{"))
