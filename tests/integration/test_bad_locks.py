"""What locking does with bad input: one line, a hint, the right exit code, the old lock kept."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.command import Outcome, lading
from simulators.engine_project import ENGINES, engine_variables
from simulators.engines import small_channel
from simulators.locking import LockProject
from simulators.webserver import Answer, Silent, running, serve

MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba")
LOCK = "locks/service/linux-64.conda-lock.yml"
RECORD = {
    "name": "a", "version": "1.0", "build": "0", "build_number": 0, "depends": [],
    "sha256": "a" * 64, "md5": "b" * 32, "size": 1, "subdir": "linux-64",
}  # fmt: skip


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A locked project."""
    root = tmp_path_factory.mktemp("bad")
    project = LockProject(root / "project", small_channel(root / "channel").url)
    project.write("tool", head="name: service")
    project.lock()
    return project.root


@pytest.fixture
def project(locked: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    path = tmp_path / LOCK
    path.parent.mkdir(parents=True)
    path.write_bytes((locked / LOCK).read_bytes())
    (tmp_path / "environment.yml").write_bytes((locked / "environment.yml").read_bytes())
    return tmp_path


def _edits() -> dict[str, Callable[[str], str]]:
    return {
        "truncated": lambda text: text[: len(text) // 2],
        "empty": lambda _: "",
        "merge markers": lambda text: text.replace("package:\n", "<<<<<<< ours\npackage:\n", 1),
        "another version": lambda text: text.replace("version: 1\n", "version: 7\n", 1),
        "no such platform": lambda text: text.replace("linux-64", "linux-65"),
        "no digest": lambda text: text.replace("    sha256: ", "    sha257: "),
        "a number": lambda text: text.replace("version: '2.0'", "version: 2.0"),
        "listed twice": lambda text: (
            text + text[text.index("- name: library") :].replace("2.0", "3")
        ),
    }


@pytest.mark.parametrize("kind", list(_edits()))
def test_bad_lock(project: Path, kind: str) -> None:
    """A lock that is not what lading wrote is exit code 3 and named; it is left as it is."""
    path = project / LOCK
    path.write_text(_edits()[kind](path.read_text()))
    before = path.read_bytes()
    outcome = lading(["lock", "--check"], project)
    assert (outcome.code, outcome.is_plain_error) == (3, True), outcome.stderr
    assert before == path.read_bytes()


@pytest.mark.parametrize("command", [["why", "library"], ["diff", "service", "service"]])
def test_questions_to_a_bad_lock(project: Path, command: list[str]) -> None:
    """Questions to a lock that cannot be read are exit code 3 too."""
    path = project / LOCK
    path.write_text(path.read_text()[:-40])
    outcome = lading(command, project)
    assert (outcome.code, outcome.is_plain_error) == (3, True), outcome.stderr


engines = pytest.mark.parametrize("engine", ENGINES)


def _lock_from(project: Path, url: str, engine: str, *options: str) -> Outcome:
    text = f"name: service\nchannels: ['{url}']\ndependencies: [a]\n"
    (project / "environment.yml").write_text(text)
    command = ["lock", "-p", "linux-64", *options]
    return lading(command, project, engine_variables(engine))


def _repodata(*records: dict[str, object]) -> Answer:
    entries = {
        f"{item.get('name', 'a')}-{item.get('version', '1.0')}-0.conda": item for item in records
    }
    return Answer(json.dumps({"packages": {}, "packages.conda": entries}).encode())


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(b"", status=404), 6),
        (Answer(b"", status=500), 6),
        (Answer(b"<!DOCTYPE html><title>Sign in</title>", "text/html"), 6),
        (Answer(b'{"packages.conda": {"a-1'), 6),
        (_repodata({key: RECORD[key] for key in RECORD if key != "sha256"}), 3),
    ],
    ids=["404", "500", "html", "truncated", "no digest"],
)
@engines
def test_bad_channel(project: Path, answer: Answer, code: int, engine: str) -> None:
    """A channel that does not answer as one: the old lock stays."""
    before = (project / LOCK).read_bytes()
    empty = answer if answer.status == 404 else _repodata()
    answers = {"/linux-64/repodata.json": answer, "/noarch/repodata.json": empty}
    with serve(answers) as url:
        outcome = _lock_from(project, url, engine)
    assert (outcome.code, outcome.is_plain_error) == (code, True), outcome.stderr
    assert before == (project / LOCK).read_bytes()


BROKEN = {
    "version": {"version": "1..!!"},
    "malformed depends": {"depends": ["b >=3.9,<"]},
    "depends is a number": {"depends": 7},
    "depends holds a number": {"depends": [7]},
    "malformed constrains": {"constrains": ["b ==="]},
    "digest": {"sha256": "z"},
    "build number": {"build_number": "first"},
}
# All others micromamba does not read.
BROKEN_FOR_BOTH = (
    "version",
    "malformed depends",
    "depends is a number",
    "depends holds a number",
)


def _lock_with(project: Path, engine: str, *records: dict[str, object]) -> Outcome:
    answers = {"/linux-64/repodata.json": _repodata(*records), "/noarch/repodata.json": _repodata()}
    with serve(answers) as url:
        return _lock_from(project, url, engine)


def _assert_blamed(project: Path, engine: str, kind: str) -> None:
    before = (project / LOCK).read_bytes()
    outcome = _lock_with(project, engine, RECORD | BROKEN[kind])
    assert (outcome.code, outcome.is_plain_error) == (6, True), outcome.stderr
    assert "malformed" in outcome.error_lines[0]
    assert "hint: tell the maintainers of the channel" in outcome.stderr
    assert before == (project / LOCK).read_bytes()


@engines
@pytest.mark.parametrize("kind", BROKEN_FOR_BOTH)
def test_broken_record(project: Path, kind: str, engine: str) -> None:
    """A record of what is needed that is broken: the channel is to blame, the old lock stays."""
    _assert_blamed(project, engine, kind)


@pytest.mark.parametrize("kind", sorted(set(BROKEN) - set(BROKEN_FOR_BOTH)))
def test_broken_record_of_a_wrong_type(project: Path, kind: str) -> None:
    """The same, where only one engine minds."""
    _assert_blamed(project, "embedded", kind)


@pytest.mark.micromamba
@pytest.mark.skipif(not MICROMAMBA, reason="there is no micromamba on this machine")
def test_record_that_ends_micromamba(project: Path) -> None:
    """A record that makes some builds of micromamba abort: the hint names the engine that names it.

    Others read the version as an empty one; then lading names the record.
    """
    before = (project / LOCK).read_bytes()
    outcome = _lock_with(project, "micromamba", RECORD | {"version": 1})
    expected = {5: "--engine embedded names it", 6: "malformed record of a-1-0.conda"}
    assert outcome.is_plain_error, outcome.stderr
    assert expected[outcome.code] in outcome.stderr
    assert before == (project / LOCK).read_bytes()


@engines
@pytest.mark.parametrize("kind", ["version", "malformed depends", "depends is a number"])
def test_broken_records_that_are_not_needed(project: Path, kind: str, engine: str) -> None:
    """A record that is not needed may be as broken as it likes.

    It is another package, python, an old version, or what an old version needs.
    """
    broken = [
        RECORD | change | BROKEN[kind]
        for change in ({"name": "b"}, {"name": "python"}, {"version": "0.9"})
    ]
    old = RECORD | {"version": "0.8", "depends": ["b"]}
    outcome = _lock_with(project, engine, RECORD, old, *broken)
    assert outcome.code == 0, outcome.stderr
    assert "/a-1.0-0.conda" in (project / LOCK).read_text()


class _Stalling(Silent):
    """Takes the request and says nothing."""

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server looks for
        """Nothing."""
        time.sleep(8)

    do_HEAD = do_GET  # noqa: N815  # likewise


@engines
def test_stalling_channel(project: Path, engine: str) -> None:
    """A server that says nothing is given up."""
    before = (project / LOCK).read_bytes()
    with running(_Stalling) as url:
        outcome = _lock_from(project, url, engine, "--timeout", "1")
    # micromamba does not tell what it was waiting for when its time was up.
    expected = {"embedded": 6, "micromamba": 5}[engine]
    assert (outcome.code, outcome.is_plain_error) == (expected, True), outcome.stderr
    assert before == (project / LOCK).read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        ["-p", "linux-65"],
        ["--exclude-newer", "yesterday"],
        ["--from-prefix", "a", "--from-conda-lock", "b"],
        ["--update", "nothing-of-it"],
    ],
)
def test_wrong_usage(project: Path, options: list[str]) -> None:
    """What cannot be meant is exit code 2."""
    outcome = lading(["lock", *options], project)
    assert (outcome.code, outcome.is_plain_error) == (2, True), outcome.stderr
