"""What a project is, and which lockfile or prefix a user means by a name."""

from pathlib import Path

import pytest

from lading.api.building import source_date_epoch
from lading.api.environments import find_lock
from lading.api.project import Project, absolute, find_prefix
from lading.conda.names import Platform, native_platform
from lading.errors import LockError, NotAPrefixError, UsageError
from lading.install.record import write_install_record
from simulators.handmade import installed


def project(directory: Path) -> Project:
    """A project in `directory`."""
    return Project(
        directory=directory,
        environment={},
        processors=1,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", "a"), ("a/b c", "a/b c"), (".", "."), ("a/./b", "a/b"), ("a/../b", "b")],
)
def test_a_path_is_absolute(tmp_path: Path, text: str, expected: str) -> None:
    """What a user names is below the directory, without dots."""
    assert tmp_path / expected == absolute(tmp_path, text)


def test_an_absolute_path_stays() -> None:
    """A path from the root is itself."""
    assert Path("/a/b") == absolute(Path("/x"), "/a/b")


def test_links_stay(tmp_path: Path) -> None:
    """A link in a path is kept: the user named it so."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert tmp_path / "link/env" == absolute(tmp_path, "link/env")


def test_dots_behind_a_link_mean_what_the_system_means(tmp_path: Path) -> None:
    """What follows `..` lies where the system looks for it."""
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/deep")
    assert tmp_path / "real/env" == absolute(tmp_path, "link/../env")


def test_a_user_that_there_is_not() -> None:
    """A tilde with a name that is not a user is an error, no traceback."""
    with pytest.raises(UsageError, match="~nobody-at-all/x: there is no such user"):
        absolute(Path("/"), "~nobody-at-all/x")


def test_the_platform_of_this_machine(tmp_path: Path) -> None:
    """Without a name it is this machine's."""
    assert native_platform() is project(tmp_path).platform(None)


def test_a_named_platform(tmp_path: Path) -> None:
    """With a name it is that one."""
    assert Platform.OSX_64 is project(tmp_path).platform("osx-64")


def test_no_platform(tmp_path: Path) -> None:
    """Another name is wrong usage."""
    with pytest.raises(UsageError, match="there is no platform 'linux'"):
        project(tmp_path).platform("linux")


def put_lock(directory: Path, name: str = "linux-64.conda-lock.yml") -> Path:
    """An empty lockfile of the environment `service`."""
    path = directory / "locks/service" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_lock_by_name(tmp_path: Path) -> None:
    """The name of an environment stands for its lockfile."""
    path = put_lock(tmp_path)
    assert (path, "service") == find_lock(project(tmp_path), "service", "linux-64")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("locks/service/linux-64.conda-lock.yml", "service"),
        ("elsewhere/conda-lock.yml", "conda-lock"),
        ("my.yaml", "my"),
    ],
)
def test_a_lock_by_path(tmp_path: Path, text: str, name: str) -> None:
    """A path names the environment by its directory, or by itself."""
    assert (tmp_path / text, name) == find_lock(project(tmp_path), text, None)


def test_what_is_locked_is_told(tmp_path: Path) -> None:
    """Who mistypes a name is told which there are."""
    put_lock(tmp_path)
    with pytest.raises(LockError, match=r"servce is not locked for linux-64 \(locked are service"):
        find_lock(project(tmp_path), "servce", "linux-64")


def test_nothing_is_locked(tmp_path: Path) -> None:
    """Without any lock that is said."""
    with pytest.raises(LockError, match="nothing is locked yet"):
        find_lock(project(tmp_path), "service", "linux-64")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a"])
def test_what_is_no_name(tmp_path: Path, name: str) -> None:
    """A name that would be a path in the build tree is wrong usage."""
    with pytest.raises(UsageError, match="is not an environment name"):
        find_lock(project(tmp_path), name, "linux-64")


def test_a_prefix_by_path(tmp_path: Path) -> None:
    """A directory with `conda-meta` is a prefix."""
    (tmp_path / "env/conda-meta").mkdir(parents=True)
    assert (tmp_path / "env", "env") == find_prefix(project(tmp_path), "env")


def test_a_prefix_by_name(tmp_path: Path) -> None:
    """The name of an installed environment stands for its prefix."""
    world = project(tmp_path)
    directory = world.tree.build("service", native_platform())
    directory.mkdir(parents=True)
    bill = installed([]).record
    write_install_record(directory, bill)
    assert (Path(bill.prefix), "service") == find_prefix(world, "service")


@pytest.mark.parametrize("name", ["service", "a/b"])
def test_no_prefix(tmp_path: Path, name: str) -> None:
    """What is neither is said to be none."""
    with pytest.raises(NotAPrefixError, match=f"there is no environment {name}"):
        find_prefix(project(tmp_path), name)


@pytest.mark.parametrize(
    ("text", "expected"), [(None, None), ("", None), ("0", 0), ("1700000000", 1_700_000_000)]
)
def test_source_date(text: str | None, expected: int | None) -> None:
    """The variable holds whole seconds, or nothing."""
    assert expected == source_date_epoch(text)


@pytest.mark.parametrize("text", ["-1", "1.5", "now", " 1"])
def test_no_source_date(text: str) -> None:
    """Anything else is wrong usage."""
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH is"):
        source_date_epoch(text)
