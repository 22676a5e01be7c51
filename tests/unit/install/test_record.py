"""The install record."""

from pathlib import Path

import pytest

from lading.conda.paths import Kind
from lading.errors import NotAPrefixError
from lading.install.record import (
    RecordedFile,
    read_install_record,
    record_files,
    write_install_record,
)
from lading.package.payload import PayloadFile
from lading.system.digest import sha256_of
from simulators.handmade import file, installed, link, payload


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading are inverse, and nothing else is left in the directory."""
    record = installed([]).record
    write_install_record(tmp_path, record)
    assert (record, ["install.json"]) == (
        read_install_record(tmp_path),
        [path.name for path in tmp_path.iterdir()],
    )


def test_without_a_record_nothing_was_completed(tmp_path: Path) -> None:
    """A directory without a record holds no installation."""
    assert None is read_install_record(tmp_path)


def test_a_record_of_another_format_does_not_count(tmp_path: Path) -> None:
    """What another version of lading wrote is installed again."""
    write_install_record(tmp_path, installed([]).record)
    path = tmp_path / "install.json"
    path.write_text(path.read_text().replace('"format":3', '"format":0'))
    assert None is read_install_record(tmp_path)


def test_a_record_of_another_format_need_not_have_todays_fields(tmp_path: Path) -> None:
    """An older record, without what was added since, is not a damaged one."""
    (tmp_path / "install.json").write_text('{"format": 1, "lading": "0"}')
    assert None is read_install_record(tmp_path)


def test_damaged_files_are_refused_where_they_are_asked_for(tmp_path: Path) -> None:
    """Paths are read when they are wanted, and what cannot be read is told."""
    write_install_record(tmp_path, installed([]).record)
    path = tmp_path / "install.json"
    path.write_text(path.read_text().replace('"files":[]', '"files":[1]'))
    record = read_install_record(tmp_path)
    assert record is not None
    with pytest.raises(NotAPrefixError, match="is damaged"):
        _ = record.files


@pytest.mark.parametrize("text", ["", "{", "{}", "[]"])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    """A record that cannot be read says what to delete."""
    (tmp_path / "install.json").write_text(text)
    with pytest.raises(NotAPrefixError, match="is damaged") as caught:
        read_install_record(tmp_path)
    assert f"delete {tmp_path} and install again" == caught.value.hint


def test_what_is_recorded(tmp_path: Path) -> None:
    """Known digests are believed, files with a placeholder and unknown ones are hashed."""
    (tmp_path / "relocated").write_bytes(b"here")
    (tmp_path / "unknown").write_bytes(b"found")
    package = payload(
        file("known", b"x"),
        file("relocated", b"/p", placeholder="/p"),
        PayloadFile(path="unknown"),
        PayloadFile(path="empty", kind=Kind.DIRECTORY),
        link("link", "known"),
    )
    assert (
        RecordedFile(path="empty", kind=Kind.DIRECTORY, owner="tool"),
        RecordedFile(
            path="known", kind=Kind.FILE, owner="tool", sha256=sha256_of(b"x").hex, size=1
        ),
        RecordedFile(path="link", kind=Kind.LINK, owner="tool", target="known"),
        RecordedFile(
            path="relocated", kind=Kind.FILE, owner="tool", sha256=sha256_of(b"here").hex, size=4
        ),
        RecordedFile(
            path="unknown", kind=Kind.FILE, owner="tool", sha256=sha256_of(b"found").hex, size=5
        ),
    ) == record_files([package], tmp_path)


def test_the_environments_own_files_have_no_owner() -> None:
    """What belongs to the environment as a whole belongs to no package."""
    own = payload(file("conda-meta/history"), name="environment", manager="environment")
    assert [""] == [item.owner for item in record_files([own], Path())]
