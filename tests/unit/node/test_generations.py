"""Generations side by side, and the name that points at the current one."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from lading.errors import NotAPrefixError, PrefixError, PrefixExistsError
from lading.node.generations import Generations
from lading.system.digest import sha256_of
from simulators.command import listing

LIMIT_SECONDS = 30


def generations(root: Path) -> Generations:
    """The generations of an environment in `root`."""
    return Generations(root / "env")


def generation(root: Path, text: str) -> Path:
    """A generation that is there; `text` tells one from the other."""
    prefix = generations(root).prefix_of(sha256_of(text.encode()))
    prefix.mkdir(exist_ok=True)
    (prefix / "generation").write_text(text)
    return prefix


def played(root: Path, steps: str) -> Generations:
    """An environment after `steps`: a letter switches to its generation, `<` rolls back.

    A capital letter deletes the generation of the small one.
    """
    found = generations(root)
    for step in steps:
        if step == "<":
            found.rollback()
        elif step.isupper():
            shutil.rmtree(generation(root, step.lower()))
        else:
            found.switch(generation(root, step))
    return found


def now(root: Path) -> str:
    """What the name shows."""
    return (root / "env/generation").read_text()


def kept(root: Path) -> list[str]:
    """The generations that are there."""
    return sorted((path / "generation").read_text() for path in root.glob("env@*") if path.is_dir())


def test_a_generation_lies_beside_the_name(tmp_path: Path) -> None:
    """Its name tells its bill."""
    digest = sha256_of(b"bill")
    assert tmp_path / f"env@{digest.hex[:12]}" == generations(tmp_path).prefix_of(digest)


def test_there_is_no_generation_at_first(tmp_path: Path) -> None:
    """A name that is free points at nothing."""
    assert generations(tmp_path).current() is None


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        ("ab", "b"),
        ("abc<", "b"),
        ("abc<<", "a"),
        ("abcB<", "a"),
        # Before what came back is what it took the place of, not what was before it at first.
        ("aba<", "b"),
        # What was rolled back from is not before.
        ("ab<c<", "a"),
    ],
)
def test_what_the_name_shows(tmp_path: Path, steps: str, shown: str) -> None:
    """What was switched to last, or the one that is there before it."""
    played(tmp_path, steps)
    assert shown == now(tmp_path)


def test_the_current_generation_is_known(tmp_path: Path) -> None:
    """By its path, not by what links in it lead to."""
    assert generation(tmp_path, "b") == played(tmp_path, "ab").current()


def test_the_link_can_be_moved_with_its_generations(tmp_path: Path) -> None:
    """It is relative."""
    played(tmp_path, "a")
    assert generation(tmp_path, "a").name == str((tmp_path / "env").readlink())


@pytest.mark.parametrize("kind", ["file", "directory", "link", "other generation"])
def test_a_name_that_is_taken_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A link that somebody made to another place is not a link to a generation."""
    match kind:
        case "file":
            (tmp_path / "env").touch()
        case "directory":
            (tmp_path / "env").mkdir()
        case "link":
            (tmp_path / "env").symlink_to("/usr")
        case _:
            (tmp_path / "env").symlink_to(f"../env@{'0' * 12}")
    prefix = generation(tmp_path, "a")
    with pytest.raises(PrefixExistsError, match="exists and is not a link to a generation"):
        generations(tmp_path).switch(prefix)


def test_a_generation_that_is_gone_is_refused(tmp_path: Path) -> None:
    """The name never points at nothing."""
    found = played(tmp_path, "a")
    with pytest.raises(NotAPrefixError, match="is gone"):
        found.switch(found.prefix_of(sha256_of(b"never there")))
    assert "a" == now(tmp_path)


def test_the_root_is_no_name() -> None:
    """Nothing can stand beside it."""
    with pytest.raises(PrefixError, match="/ cannot be a link"):
        Generations(Path("/"))


@pytest.mark.parametrize("steps", ["", "a"])
def test_nothing_is_before(tmp_path: Path, steps: str) -> None:
    """The name stays, and is not made."""
    found = played(tmp_path, steps)
    with pytest.raises(NotAPrefixError, match="has no earlier generation"):
        found.rollback()
    assert list(steps) == ([now(tmp_path)] if (tmp_path / "env").exists() else [])


def test_a_name_in_no_directory_is_told(tmp_path: Path) -> None:
    """A mistyped path makes no directories."""
    with pytest.raises(PrefixError, match="cannot change"):
        Generations(tmp_path / "typo/env").rollback()
    assert [] == listing(tmp_path)


def write_history(root: Path, *texts: str) -> None:
    """The history as a process that was killed left it, with what it had not yet renamed."""
    names = [generation(root, text).name for text in texts]
    (root / ".env.versions").write_text("".join(f"{name}\n" for name in names))
    (root / "..env.versions.lading-abcdefgh").write_text("half a li")
    (root / ".env.lading-abcdefgh").mkdir()
    (root / ".env.lading-abcdefgh/env").symlink_to("half")


@pytest.mark.parametrize(
    ("before", "history", "after", "shown"),
    [
        # Killed while it switched to `b`, which is repeated.
        ("a", "ab", "b", "b"),
        ("a", "ab", "b<", "a"),
        # It did not happen: before `c` is the one that the name showed.
        ("a", "ab", "c<", "a"),
        # Killed while it rolled back from `b`, which is repeated.
        ("ab", "a", "<", "a"),
    ],
)
def test_after_a_kill(tmp_path: Path, before: str, history: str, after: str, shown: str) -> None:
    """The name tells what happened, where the history says otherwise."""
    played(tmp_path, before)
    write_history(tmp_path, *history)
    played(tmp_path, after)
    assert shown == now(tmp_path)


@pytest.mark.parametrize(
    ("steps", "keep", "left"),
    [
        ("abc", 0, "c"),
        ("abc", 1, "bc"),
        ("abc", 2, "abc"),
        ("abc", 9, "abc"),
        # Those that are gone are not counted, and what was rolled back from is old.
        ("abcB", 1, "ac"),
        ("ab<", 5, "a"),
    ],
)
def test_old_versions_are_removed(tmp_path: Path, steps: str, keep: int, left: str) -> None:
    """All but the current one and as many before it as are to be kept; and it says which."""
    found = played(tmp_path, steps)
    there = {text: generation(tmp_path, text) for text in kept(tmp_path)}
    removed = found.remove_old(keep)
    assert (list(left), {path for text, path in there.items() if text not in left}) == (
        kept(tmp_path),
        set(removed),
    )


def test_one_can_go_back_to_what_was_kept(tmp_path: Path) -> None:
    """And not further."""
    found = played(tmp_path, "abc")
    found.remove_old(1)
    found.rollback()
    with pytest.raises(NotAPrefixError):
        found.rollback()
    assert "b" == now(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "env@gpu",
        "env@gpu@0123456789ab",
        "env@0123456789abc",
        "env@0123456789AB",
        "xenv@0123456789ab",
    ],
)
def test_what_is_no_generation_is_left_alone(tmp_path: Path, name: str) -> None:
    """Other environments may have names that begin like this one."""
    (tmp_path / name).mkdir()
    played(tmp_path, "a").remove_old(0)
    assert (tmp_path / name).is_dir()


def test_a_link_that_is_called_like_a_generation_is_left_alone(tmp_path: Path) -> None:
    """Only directories are generations."""
    played(tmp_path, "a")
    (tmp_path / "env@0123456789ab").symlink_to("env")
    generations(tmp_path).remove_old(0)
    assert (tmp_path / "env@0123456789ab").is_symlink()


def test_a_removal_that_was_killed_is_finished(tmp_path: Path) -> None:
    """Half a generation is left without name; of two, one came back since."""
    found = played(tmp_path, "ab")
    names = [generation(tmp_path, "a").name, "env@0123456789ab"]
    halves = [tmp_path / f".{name}.lading-abcdefgh" for name in names]
    for half in halves:
        half.mkdir()
        (half / "file").touch()
    found.remove_old(0)
    assert ([False] * 2, ["b"]) == ([half.exists() for half in halves], kept(tmp_path))


@pytest.mark.parametrize("name", ["env", "env [1]", "*", "ä b"])
def test_names_may_hold_any_letter(tmp_path: Path, name: str) -> None:
    """Names are no patterns."""
    found = Generations(tmp_path / name)
    for text in ("a", "b"):
        prefix = found.prefix_of(sha256_of(text.encode()))
        prefix.mkdir()
        found.switch(prefix)
    found.remove_old(0)
    assert [found.prefix_of(sha256_of(b"b"))] == [
        path for path in tmp_path.iterdir() if path.is_dir() and not path.is_symlink()
    ]


def test_switching_leaves_nothing_behind(tmp_path: Path) -> None:
    """The name, its generations, its history and its lock."""
    played(tmp_path, "ab").rollback()
    digests = [sha256_of(text).hex[:12] for text in (b"a", b"b")]
    assert sorted([".env.lock", ".env.versions", "env", *(f"env@{item}" for item in digests)]) == (
        sorted(path.name for path in tmp_path.iterdir())
    )


@pytest.mark.parametrize("line", ["..", ".", "", "/etc", "../other", "env@..", "env@0123456789abc"])
def test_strange_lines_of_the_history_are_passed_over(tmp_path: Path, line: str) -> None:
    """Going back leads to a generation, or nowhere."""
    found = played(tmp_path, "ab")
    history = tmp_path / ".env.versions"
    first, second = history.read_text().splitlines()
    history.write_text(f"{first}\n{line}\n{second}\n")
    assert generation(tmp_path, "a") == found.rollback()


@pytest.mark.parametrize("content", [b"\xff\n\0\n", b"x" * 2_000_000], ids=["no text", "huge"])
def test_a_history_that_is_none_is_an_error_of_the_prefix(tmp_path: Path, content: bytes) -> None:
    """It is never a crash."""
    found = played(tmp_path, "a")
    (tmp_path / ".env.versions").write_bytes(content)
    with pytest.raises(PrefixError):
        found.rollback()


@pytest.mark.parametrize("name", [".env.lock", ".env.versions", ".env.versions.part", ".env.next"])
def test_links_that_were_planted_are_not_followed(tmp_path: Path, name: str) -> None:
    """Whatever they lead to keeps its content."""
    victim = tmp_path / "victim"
    victim.write_text("content")
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / name).symlink_to(victim)
    with suppress(PrefixError):
        played(tmp_path / "envs", "ab")
    assert "content" == victim.read_text()


def unpacked(root: Path, content: bytes, **changes: str) -> Generations:
    """A generation as `deploy` leaves it, with `changes` of its state."""
    found = generations(root)
    prefix = generation(root, content.decode())
    state = {"prefix": str(prefix), "manifest": sha256_of(content).hex} | changes
    (prefix / "conda-meta/lading").mkdir(parents=True)
    (prefix / "conda-meta/lading/state.json").write_text(json.dumps(state))
    return found


def test_a_generation_is_known_by_its_whole_digest(tmp_path: Path) -> None:
    """Its record holds it."""
    found = unpacked(tmp_path, b"a")
    assert (True, False) == (found.exists(sha256_of(b"a")), found.exists(sha256_of(b"b")))


@pytest.mark.parametrize(
    "changes",
    [
        {"manifest": sha256_of(b"a").hex[:12] + "0" * 52},
        {"manifest": ""},
        {"prefix": "/elsewhere/env"},
        None,
    ],
    ids=["another digest", "unpacked by another tool", "another place", "no record"],
)
def test_another_directory_of_the_same_name_is_refused(
    tmp_path: Path, changes: dict[str, str] | None
) -> None:
    """Twelve digits can be found by trying."""
    if changes is None:
        generation(tmp_path, "a")
    else:
        unpacked(tmp_path, b"a", **changes)
    with pytest.raises(PrefixExistsError, match="was not unpacked here from this bill"):
        generations(tmp_path).exists(sha256_of(b"a"))


def test_a_generation_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    """Nobody can tell what is in it."""
    found = unpacked(tmp_path, b"a")
    found.prefix_of(sha256_of(b"a")).chmod(0o777)
    with pytest.raises(PrefixExistsError, match="may write to it"):
        found.exists(sha256_of(b"a"))
