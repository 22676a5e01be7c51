"""`lading.engine.micromamba_repodata`: what micromamba did not tell of channels."""

import json
from pathlib import Path

import pytest

from lading.conda.channels import ChannelUrl
from lading.conda.names import Platform
from lading.conda.records import RepodataRecord
from lading.engine.errors import BrokenRecordError
from lading.engine.micromamba_repodata import check_records, check_repodata
from lading.errors import FetchError
from lading.system.process import Completed
from simulators.records import record

CHANNEL = ChannelUrl("https://host.invalid/channel")
SOURCES = {CHANNEL: "https://user:secret@mirror.invalid/channel"}
SENT = b'{"packages": {}}\n'
RETRIES = "warning  libmamba Retrying in 2 seconds"


def keep(cache: Path, **documents: bytes) -> Path:
    """A cache that keeps the repodata of these subdirs, `_` for `-`."""
    directory = cache / "cache"
    directory.mkdir(parents=True)
    for name, data in documents.items():
        url = f"https://mirror.invalid/channel/{name.replace('_', '-')}/repodata.json"
        (directory / f"{name}.state.json").write_text(json.dumps({"url": url}))
        (directory / f"{name}.json").write_bytes(data)
        (directory / f"{name}.solv").write_bytes(b"")
    return cache


def check(cache: Path, said: str = "") -> None:
    """Check what was kept after micromamba `said` something."""
    answer = Completed(argv=("micromamba",), returncode=0, stdout="", stderr=said)
    check_repodata(cache, SOURCES, Platform.LINUX_64, answer)


@pytest.mark.parametrize("said", ["", RETRIES])
def test_all_was_read(tmp_path: Path, said: str) -> None:
    """Where both subdirs are there, a retry was one that succeeded."""
    check(keep(tmp_path, linux_64=SENT, noarch=SENT), said)


def test_a_subdir_that_does_not_exist(tmp_path: Path) -> None:
    """A channel may have no packages for a platform."""
    check(keep(tmp_path, noarch=SENT))


def test_a_subdir_that_was_not_sent(tmp_path: Path) -> None:
    """Where a server failed again and again, what is missing is missed."""
    with pytest.raises(FetchError, match="/channel/linux-64: its server fails") as caught:
        check(keep(tmp_path, noarch=SENT), RETRIES)
    assert "secret" not in repr(caught.value.details)


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html>", SENT[:-3], b"[]"])
def test_no_repodata(tmp_path: Path, data: bytes) -> None:
    """What is not repodata is refused, and not kept for the next time."""
    cache = keep(tmp_path, linux_64=data, noarch=SENT)
    with pytest.raises(
        FetchError, match="/channel/linux-64: its server sent something that is not repodata"
    ):
        check(cache)
    assert ["noarch.json", "noarch.solv", "noarch.state.json"] == sorted(
        path.name for path in (cache / "cache").iterdir()
    )


def test_notes_that_cannot_be_read(tmp_path: Path) -> None:
    """They are passed over."""
    cache = keep(tmp_path, noarch=SENT)
    (cache / "cache/x.state.json").write_text("{")
    check(cache)


def solved(file_name: str, *depends: str) -> RepodataRecord:
    """A record of a solution, in `noarch`."""
    name, version, build = file_name.removesuffix(".conda").split("-")
    fields = {"subdir": "noarch", "channel": CHANNEL, "depends": depends}
    return record(name, version, build, sha256=None, **fields)


def repodata(**more: object) -> bytes:
    """Repodata of one package."""
    entry = {"name": "a", "version": "1.0", "build": "0", "build_number": 0, **more}
    return json.dumps({"packages": {}, "packages.conda": {"a-1.0-0.conda": entry}}).encode()


@pytest.mark.parametrize("depends", [7, None, [7], {}])
def test_a_package_that_needs_nothing_by_mistake(tmp_path: Path, depends: object) -> None:
    """A record whose `depends` is not a list of texts is not one without needs."""
    cache = keep(tmp_path, noarch=repodata(depends=depends))
    chosen = [solved("a-1.0-0.conda")]
    with pytest.raises(BrokenRecordError, match=r"a-1\.0-0\.conda: .*depends"):
        check_records(cache, SOURCES, Platform.LINUX_64, chosen)


@pytest.mark.parametrize("data", [repodata(depends=[]), repodata(), b"{}", b"no repodata"])
def test_a_package_that_needs_nothing(tmp_path: Path, data: bytes) -> None:
    """One that needs nothing, and what is not found, is not refused."""
    cache = keep(tmp_path, noarch=data)
    check_records(cache, SOURCES, Platform.LINUX_64, [solved("a-1.0-0.conda")])


def test_only_those_without_needs_are_looked_up(tmp_path: Path) -> None:
    """What needs something was read."""
    cache = keep(tmp_path, noarch=repodata(depends=7))
    check_records(cache, SOURCES, Platform.LINUX_64, [solved("a-1.0-0.conda", "b")])
