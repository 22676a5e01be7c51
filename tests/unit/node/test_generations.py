"""Generations side by side, and the name that points at the current one."""

import json
import threading
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


def switched(root: Path, *texts: str) -> Generations:
    """An environment that was each generation in turn."""
    found = generations(root)
    for text in texts:
        found.switch(generation(root, text))
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


def test_the_name_points_at_what_was_switched_to(tmp_path: Path) -> None:
    """The last one counts."""
    switched(tmp_path, "a", "b")
    assert "b" == now(tmp_path)


def test_the_current_generation_is_known(tmp_path: Path) -> None:
    """By its path, not by what links in it lead to."""
    assert generation(tmp_path, "b") == switched(tmp_path, "a", "b").current()


def test_the_link_can_be_moved_with_its_generations(tmp_path: Path) -> None:
    """It is relative."""
    switched(tmp_path, "a")
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
    found = switched(tmp_path, "a")
    with pytest.raises(NotAPrefixError, match="is gone"):
        found.switch(found.prefix_of(sha256_of(b"never there")))
    assert "a" == now(tmp_path)


def test_the_root_is_no_name() -> None:
    """Nothing can stand beside it."""
    with pytest.raises(PrefixError, match="/ cannot be a link"):
        Generations(Path("/"))


def test_rolling_back_shows_the_generation_before(tmp_path: Path) -> None:
    """And says where it lies."""
    found = switched(tmp_path, "a", "b", "c")
    assert (generation(tmp_path, "b"), "b") == (found.rollback(), now(tmp_path))


def test_rolling_back_twice_goes_two_back(tmp_path: Path) -> None:
    """What was rolled back from is not before."""
    found = switched(tmp_path, "a", "b", "c")
    found.rollback()
    found.rollback()
    assert "a" == now(tmp_path)


def test_the_first_generation_has_none_before(tmp_path: Path) -> None:
    """The name stays."""
    found = switched(tmp_path, "a")
    with pytest.raises(NotAPrefixError, match="has no earlier generation"):
        found.rollback()
    assert "a" == now(tmp_path)


def test_a_name_without_versions_has_none_before(tmp_path: Path) -> None:
    """Nothing is made."""
    with pytest.raises(NotAPrefixError, match="has no earlier generation"):
        generations(tmp_path).rollback()
    assert not (tmp_path / "env").exists()


def test_a_name_in_no_directory_is_told(tmp_path: Path) -> None:
    """A mistyped path makes no directories."""
    with pytest.raises(PrefixError, match="cannot change"):
        Generations(tmp_path / "typo/env").rollback()
    assert [] == listing(tmp_path)


def test_versions_that_are_gone_are_passed_over(tmp_path: Path) -> None:
    """Somebody deleted the one before."""
    found = switched(tmp_path, "a", "b", "c")
    (generation(tmp_path, "b") / "generation").unlink()
    found.prefix_of(sha256_of(b"b")).rmdir()
    found.rollback()
    assert "a" == now(tmp_path)


def test_a_generation_that_comes_back_is_the_last(tmp_path: Path) -> None:
    """Before it is what it took the place of, not what was before it the first time."""
    found = switched(tmp_path, "a", "b", "a")
    found.rollback()
    assert "b" == now(tmp_path)


def test_after_a_rollback_history_goes_on(tmp_path: Path) -> None:
    """From `a`, rolled back to, to `c`: before `c` is `a`."""
    found = switched(tmp_path, "a", "b")
    found.rollback()
    switched(tmp_path, "c")
    found.rollback()
    assert "a" == now(tmp_path)


def write_history(root: Path, *texts: str) -> None:
    """The history as a process that was killed left it, with what it had not yet renamed."""
    names = [generation(root, text).name for text in texts]
    (root / ".env.versions").write_text("".join(f"{name}\n" for name in names))
    (root / "..env.versions.lading-abcdefgh").write_text("half a li")
    (root / ".env.lading-abcdefgh").mkdir()
    (root / ".env.lading-abcdefgh/env").symlink_to("half")


def test_a_switch_that_was_killed_can_be_repeated(tmp_path: Path) -> None:
    """The history knows `b` already, the name does not."""
    found = switched(tmp_path, "a")
    write_history(tmp_path, "a", "b")
    switched(tmp_path, "b")
    after = now(tmp_path)
    found.rollback()
    assert ("b", "a") == (after, now(tmp_path))


def test_a_switch_that_was_killed_did_not_happen(tmp_path: Path) -> None:
    """Another generation follows: before it is the one that the name showed."""
    found = switched(tmp_path, "a")
    write_history(tmp_path, "a", "b")
    switched(tmp_path, "c")
    found.rollback()
    assert "a" == now(tmp_path)


def test_a_rollback_that_was_killed_can_be_repeated(tmp_path: Path) -> None:
    """The history has lost `b` already, the name shows it."""
    found = switched(tmp_path, "a", "b")
    write_history(tmp_path, "a")
    found.rollback()
    assert "a" == now(tmp_path)


def test_old_versions_are_removed(tmp_path: Path) -> None:
    """All but the current one and as many before it as are to be kept."""
    found = switched(tmp_path, "a", "b", "c", "d")
    removed = found.remove_old(1)
    assert ({generation(tmp_path, text) for text in "ab"}, ["c", "d"]) == (
        set(removed),
        sorted(set(kept(tmp_path)) - {"a", "b"}),
    )


def test_removed_versions_are_gone(tmp_path: Path) -> None:
    """Nothing of them is left under any name."""
    switched(tmp_path, "a", "b", "c").remove_old(0)
    assert ["c"] == kept(tmp_path)


@pytest.mark.parametrize(("keep", "left"), [(0, "c"), (1, "bc"), (2, "abc"), (9, "abc")])
def test_as_many_are_kept_as_were_asked_for(tmp_path: Path, keep: int, left: str) -> None:
    """The present one is not counted."""
    switched(tmp_path, "a", "b", "c").remove_old(keep)
    assert list(left) == kept(tmp_path)


def test_versions_that_are_gone_are_not_counted(tmp_path: Path) -> None:
    """To keep one generation to go back to, there must be one."""
    found = switched(tmp_path, "a", "b", "c")
    (generation(tmp_path, "b") / "generation").unlink()
    found.prefix_of(sha256_of(b"b")).rmdir()
    found.remove_old(1)
    assert ["a", "c"] == kept(tmp_path)


def test_what_was_rolled_back_from_is_old(tmp_path: Path) -> None:
    """It is not before the current one."""
    found = switched(tmp_path, "a", "b")
    found.rollback()
    found.remove_old(5)
    assert ["a"] == kept(tmp_path)


def test_one_can_go_back_to_what_was_kept(tmp_path: Path) -> None:
    """And not further."""
    found = switched(tmp_path, "a", "b", "c")
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
    switched(tmp_path, "a").remove_old(0)
    assert (tmp_path / name).is_dir()


def test_a_link_that_is_called_like_a_generation_is_left_alone(tmp_path: Path) -> None:
    """Only directories are generations."""
    switched(tmp_path, "a")
    (tmp_path / "env@0123456789ab").symlink_to("env")
    generations(tmp_path).remove_old(0)
    assert (tmp_path / "env@0123456789ab").is_symlink()


def test_a_removal_that_was_killed_is_finished(tmp_path: Path) -> None:
    """Of one generation half is left without name, and it came back since."""
    found = switched(tmp_path, "a", "b")
    half = generation(tmp_path, "a").with_name(f".{generation(tmp_path, 'a').name}.lading-abcdefgh")
    half.mkdir()
    (half / "file").touch()
    found.remove_old(0)
    assert (False, ["b"]) == (half.exists(), kept(tmp_path))


def test_half_a_generation_without_name_is_removed(tmp_path: Path) -> None:
    """Even if the generation never came back."""
    half = tmp_path / ".env@0123456789ab.lading-abcdefgh"
    half.mkdir()
    switched(tmp_path, "a").remove_old(0)
    assert not half.exists()


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
    switched(tmp_path, "a", "b").rollback()
    digests = [sha256_of(text).hex[:12] for text in (b"a", b"b")]
    assert sorted([".env.lock", ".env.versions", "env", *(f"env@{item}" for item in digests)]) == (
        sorted(path.name for path in tmp_path.iterdir())
    )


def test_the_name_always_shows_a_whole_generation(tmp_path: Path) -> None:
    """While one switches back and forth, others see one generation or the other."""
    found = switched(tmp_path, "a", "b")
    seen: set[str] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                seen.add(now(tmp_path))
            except OSError as error:
                seen.add(str(error))

    reader = threading.Thread(target=look)
    reader.start()
    older = found.prefix_of(sha256_of(b"a"))
    for _ in range(40):
        found.switch(older)
        found.rollback()
    done.set()
    reader.join(LIMIT_SECONDS)
    assert {"a", "b"} >= seen > set()


@pytest.mark.parametrize("line", ["..", ".", "", "/etc", "../other", "env@..", "env@0123456789abc"])
def test_strange_lines_of_the_history_are_passed_over(tmp_path: Path, line: str) -> None:
    """Going back leads to a generation, or nowhere."""
    found = switched(tmp_path, "a", "b")
    history = tmp_path / ".env.versions"
    first, second = history.read_text().splitlines()
    history.write_text(f"{first}\n{line}\n{second}\n")
    assert generation(tmp_path, "a") == found.rollback()


@pytest.mark.parametrize("content", [b"\xff\n\0\n", b"x" * 2_000_000], ids=["no text", "huge"])
def test_a_history_that_is_none_is_an_error_of_the_prefix(tmp_path: Path, content: bytes) -> None:
    """It is never a crash."""
    found = switched(tmp_path, "a")
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
        switched(tmp_path / "envs", "a", "b")
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
    ],
    ids=["another digest", "unpacked by another tool", "another place"],
)
def test_another_directory_of_the_same_name_is_refused(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    """Twelve digits can be found by trying."""
    found = unpacked(tmp_path, b"a", **changes)
    with pytest.raises(PrefixExistsError, match="was not unpacked here from this bill"):
        found.exists(sha256_of(b"a"))


def test_a_directory_without_record_is_refused(tmp_path: Path) -> None:
    """It may hold one junk file."""
    generation(tmp_path, "a")
    with pytest.raises(PrefixExistsError, match="was not unpacked here from this bill"):
        generations(tmp_path).exists(sha256_of(b"a"))


def test_a_generation_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    """Nobody can tell what is in it."""
    found = unpacked(tmp_path, b"a")
    found.prefix_of(sha256_of(b"a")).chmod(0o777)
    with pytest.raises(PrefixExistsError, match="may write to it"):
        found.exists(sha256_of(b"a"))
