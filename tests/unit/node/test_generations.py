"""Generations side by side, and the name that points at the present one."""

import threading
from pathlib import Path

import pytest

from lading.errors import NotAPrefixError, PrefixError, PrefixExistsError
from lading.node.generations import Generations
from lading.system.digest import sha256_of
from simulators.command import listing

LIMIT_SECONDS = 30


def versions(root: Path) -> Generations:
    """The versions of an environment in `root`."""
    return Generations(root / "env")


def version(root: Path, text: str) -> Path:
    """A version that is there; `text` tells one from the other."""
    prefix = versions(root).prefix_of(sha256_of(text.encode()))
    prefix.mkdir(exist_ok=True)
    (prefix / "version").write_text(text)
    return prefix


def switched(root: Path, *texts: str) -> Generations:
    """An environment that was each version in turn."""
    found = versions(root)
    for text in texts:
        found.switch(version(root, text))
    return found


def now(root: Path) -> str:
    """What the name shows."""
    return (root / "env/version").read_text()


def kept(root: Path) -> list[str]:
    """The versions that are there."""
    return sorted((path / "version").read_text() for path in root.glob("env@*") if path.is_dir())


def test_a_version_lies_beside_the_name(tmp_path: Path) -> None:
    """Its name tells its bill."""
    digest = sha256_of(b"bill")
    assert tmp_path / f"env@{digest.hex[:12]}" == versions(tmp_path).prefix_of(digest)


def test_there_is_no_version_at_first(tmp_path: Path) -> None:
    """A name that is free points at nothing."""
    assert versions(tmp_path).current() is None


def test_the_name_points_at_what_was_switched_to(tmp_path: Path) -> None:
    """The last one counts."""
    switched(tmp_path, "a", "b")
    assert "b" == now(tmp_path)


def test_the_present_version_is_known(tmp_path: Path) -> None:
    """By its path, not by what links in it lead to."""
    assert version(tmp_path, "b") == switched(tmp_path, "a", "b").current()


def test_the_link_can_be_moved_with_its_versions(tmp_path: Path) -> None:
    """It is relative."""
    switched(tmp_path, "a")
    assert version(tmp_path, "a").name == str((tmp_path / "env").readlink())


@pytest.mark.parametrize("kind", ["file", "directory", "link", "other version"])
def test_a_name_that_is_taken_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A link that somebody made to another place is no link to a version."""
    match kind:
        case "file":
            (tmp_path / "env").touch()
        case "directory":
            (tmp_path / "env").mkdir()
        case "link":
            (tmp_path / "env").symlink_to("/usr")
        case _:
            (tmp_path / "env").symlink_to(f"../env@{'0' * 12}")
    prefix = version(tmp_path, "a")
    with pytest.raises(PrefixExistsError, match="exists and is no link to a version"):
        versions(tmp_path).switch(prefix)


def test_a_version_that_is_gone_is_refused(tmp_path: Path) -> None:
    """The name never points at nothing."""
    found = switched(tmp_path, "a")
    with pytest.raises(NotAPrefixError, match="is gone"):
        found.switch(found.prefix_of(sha256_of(b"never there")))
    assert "a" == now(tmp_path)


def test_the_root_is_no_name() -> None:
    """Nothing can stand beside it."""
    with pytest.raises(PrefixError, match="/ cannot be a link"):
        Generations(Path("/"))


def test_rolling_back_shows_the_version_before(tmp_path: Path) -> None:
    """And says where it lies."""
    found = switched(tmp_path, "a", "b", "c")
    assert (version(tmp_path, "b"), "b") == (found.rollback(), now(tmp_path))


def test_rolling_back_twice_goes_two_back(tmp_path: Path) -> None:
    """What was rolled back from is not before."""
    found = switched(tmp_path, "a", "b", "c")
    found.rollback()
    found.rollback()
    assert "a" == now(tmp_path)


def test_the_first_version_has_none_before(tmp_path: Path) -> None:
    """The name stays."""
    found = switched(tmp_path, "a")
    with pytest.raises(NotAPrefixError, match="has no earlier version"):
        found.rollback()
    assert "a" == now(tmp_path)


def test_a_name_without_versions_has_none_before(tmp_path: Path) -> None:
    """Nothing is made."""
    with pytest.raises(NotAPrefixError, match="has no earlier version"):
        versions(tmp_path).rollback()
    assert not (tmp_path / "env").exists()


def test_a_name_in_no_directory_is_told(tmp_path: Path) -> None:
    """A mistyped path makes no directories."""
    with pytest.raises(PrefixError, match="cannot change"):
        Generations(tmp_path / "typo/env").rollback()
    assert [] == listing(tmp_path)


def test_versions_that_are_gone_are_passed_over(tmp_path: Path) -> None:
    """Somebody deleted the one before."""
    found = switched(tmp_path, "a", "b", "c")
    (version(tmp_path, "b") / "version").unlink()
    found.prefix_of(sha256_of(b"b")).rmdir()
    found.rollback()
    assert "a" == now(tmp_path)


def test_a_version_that_comes_back_is_the_last(tmp_path: Path) -> None:
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
    names = [version(root, text).name for text in texts]
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
    """Another version follows: before it is the one that the name showed."""
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
    """All but the present one and as many before it as are to be kept."""
    found = switched(tmp_path, "a", "b", "c", "d")
    removed = found.remove_old(1)
    assert ({version(tmp_path, text) for text in "ab"}, ["c", "d"]) == (
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
    """To keep one version to go back to, there must be one."""
    found = switched(tmp_path, "a", "b", "c")
    (version(tmp_path, "b") / "version").unlink()
    found.prefix_of(sha256_of(b"b")).rmdir()
    found.remove_old(1)
    assert ["a", "c"] == kept(tmp_path)


def test_what_was_rolled_back_from_is_old(tmp_path: Path) -> None:
    """It is not before the present one."""
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
def test_what_is_no_version_is_left_alone(tmp_path: Path, name: str) -> None:
    """Other environments may have names that begin like this one."""
    (tmp_path / name).mkdir()
    switched(tmp_path, "a").remove_old(0)
    assert (tmp_path / name).is_dir()


def test_a_link_that_is_called_like_a_version_is_left_alone(tmp_path: Path) -> None:
    """Only directories are versions."""
    switched(tmp_path, "a")
    (tmp_path / "env@0123456789ab").symlink_to("env")
    versions(tmp_path).remove_old(0)
    assert (tmp_path / "env@0123456789ab").is_symlink()


def test_a_removal_that_was_killed_is_finished(tmp_path: Path) -> None:
    """Of one version half is left without name, and it came back since."""
    found = switched(tmp_path, "a", "b")
    half = version(tmp_path, "a").with_name(f".{version(tmp_path, 'a').name}.lading-abcdefgh")
    half.mkdir()
    (half / "file").touch()
    found.remove_old(0)
    assert (False, ["b"]) == (half.exists(), kept(tmp_path))


def test_half_a_version_without_name_is_removed(tmp_path: Path) -> None:
    """Even if the version never came back."""
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
    """The name, its versions, its history and its lock."""
    switched(tmp_path, "a", "b").rollback()
    digests = [sha256_of(text).hex[:12] for text in (b"a", b"b")]
    assert sorted([".env.lock", ".env.versions", "env", *(f"env@{item}" for item in digests)]) == (
        sorted(path.name for path in tmp_path.iterdir())
    )


def test_the_name_always_shows_a_whole_version(tmp_path: Path) -> None:
    """While one switches back and forth, others see one version or the other."""
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
