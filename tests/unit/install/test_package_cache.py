"""The package cache and its layers."""

import logging
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lading.errors import PrefixError
from lading.install.package_cache import (
    fetch_archives,
    locate_archives,
    shared_cache,
)
from lading.install.plan import plan_install
from lading.lock.reading import read_lockfile
from lading.net.download import Download
from lading.system.digest import sha256_of
from simulators.channel import File, Package, Symlink
from simulators.project import ENVIRONMENT, Project

DATA = b"archive"
PACKAGE = Package(
    name="a",
    files={"lib/x": b"content", "lib/y": File(b"other"), "lib/link": Symlink("x")},
)


def download(cache: Path) -> Download:
    """An archive that is wanted."""
    return Download(
        url="https://host.invalid/forge/linux-64/a-1-0.conda",
        digest=sha256_of(DATA),
        target=cache / "a-1-0.conda",
    )


def put(path: Path, data: bytes = DATA) -> Path:
    """A file with its directories."""
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "place",
    ["a-1-0.conda", "linux-64/a-1-0.conda", "https/host.invalid/forge/linux-64/a-1-0.conda"],
)
def test_an_archive_is_found(tmp_path: Path, place: str) -> None:
    """A layer may be a cache of any generation, or a channel."""
    item = download(tmp_path / "cache")
    path = put(tmp_path / "layer" / place)
    assert {item.target: path} == locate_archives([item], [tmp_path / "none", tmp_path / "layer"])


@pytest.mark.parametrize(
    "place",
    [
        "a-1+x-py3-none-any.whl",
        "wheels/a-1+x-py3-none-any.whl",
        "wheels/h.invalid/p/a-1+x-py3-none-any.whl",
    ],
)
def test_a_wheel_is_found(tmp_path: Path, place: str) -> None:
    """A layer may be a directory of wheels, a cache of lading, or a mirror."""
    item = Download(
        url="https://h.invalid/p/a-1%2Bx-py3-none-any.whl",
        digest=sha256_of(DATA),
        target=tmp_path / "cache/wheels/a-1+x-py3-none-any.whl",
    )
    path = put(tmp_path / "layer" / place)
    assert {item.target: path} == locate_archives([item], [tmp_path / "layer"])


def test_another_archive_of_that_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What has another digest is passed over with a warning, and the next layer asked."""
    item = download(tmp_path / "cache")
    put(tmp_path / "bad/a-1-0.conda", b"poison")
    path = put(tmp_path / "good/a-1-0.conda")
    with caplog.at_level(logging.WARNING):
        found = locate_archives([item], [tmp_path / "bad", tmp_path / "good"])
    assert ({item.target: path}, True) == (found, "not what the lock promises" in caplog.text)


@pytest.mark.parametrize("shared", ["layer", "layer/linux-64", "layer/linux-64/a-1-0.conda"])
def test_what_others_may_write_is_copied(tmp_path: Path, shared: str) -> None:
    """An archive that another user could still change is used from a copy, checked on the way."""
    item = download(tmp_path / "cache")
    path = put(tmp_path / "layer/linux-64/a-1-0.conda")
    (tmp_path / shared).chmod(0o777)
    found = locate_archives([item], [tmp_path / "layer"])
    path.write_bytes(b"poison")
    assert ({item.target: item.target}, DATA) == (found, item.target.read_bytes())


def test_poison_is_not_copied(tmp_path: Path) -> None:
    """What has another digest leaves nothing behind."""
    item = download(tmp_path / "cache")
    put(tmp_path / "layer/a-1-0.conda", b"poison")
    (tmp_path / "layer").chmod(0o777)
    assert ({}, []) == (
        locate_archives([item], [tmp_path / "layer"]),
        list((tmp_path / "cache").iterdir()),
    )


def prepared(root: Path) -> Path:
    """An extracted package in the package cache of a project that has just fetched its archives."""
    project = Project.of(root, [PACKAGE])
    tree = project.tree
    path = put(tree.package_cache / "a-1.0-0/info/index.json", b"{}")
    tree.package_cache.chmod(0o777)
    plan = replace(
        plan_install(ENVIRONMENT, read_lockfile(project.lock), tree), mirrors=project.mirrors
    )
    fetch_archives(plan, tree, {})
    return path


def test_a_cache_is_closed_to_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What lay extracted where others may write is extracted again, where they may not."""
    path = prepared(tmp_path / "project")
    cache = path.parents[2]
    assert (False, 0o755, True) == (
        path.exists(),
        cache.stat().st_mode & 0o777,
        "is closed to other users" in caplog.text,
    )


def test_the_umask_does_not_open_a_cache(tmp_path: Path) -> None:
    """A group that shares files by its umask does not share the cache."""
    before = os.umask(0o002)
    try:
        project = Project.of(tmp_path / "project", [PACKAGE])
        plan = project.plan()
        fetch_archives(plan, project.tree, {})
    finally:
        os.umask(before)
    assert 0o755 == project.tree.package_cache.stat().st_mode & 0o777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_the_cache_of_another_user(tmp_path: Path) -> None:
    """It is refused with the name of its owner."""
    project = Project.of(tmp_path / "project", [PACKAGE])
    project.tree.package_cache.mkdir(parents=True)
    os.chown(project.tree.package_cache, 54321, -1)
    plan = project.plan()
    with pytest.raises(PrefixError, match="it belongs to user 54321"):
        fetch_archives(plan, project.tree, {})


def test_what_is_in_the_cache_is_not_looked_for(tmp_path: Path) -> None:
    """The private cache comes first."""
    item = download(tmp_path / "cache")
    put(item.target)
    put(tmp_path / "layer/a-1-0.conda")
    assert {} == locate_archives([item], [tmp_path / "layer"])


def test_who_removes_waits(tmp_path: Path) -> None:
    """Two may link at once; who removes something waits for both."""
    order: list[str] = []

    def remove() -> None:
        with shared_cache(tmp_path, alone=True):
            order.append("remove")

    with shared_cache(tmp_path), shared_cache(tmp_path):
        thread = threading.Thread(target=remove)
        thread.start()
        time.sleep(0.05)
        order.append("link")
    thread.join()
    assert ["link", "remove"] == order


def test_a_layer_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A layer that fails is passed over."""
    item = download(tmp_path / "cache")
    path = put(tmp_path / "layer/a-1-0.conda")
    path.chmod(0)
    found = locate_archives([item], [tmp_path / "layer"])
    assert (({item.target: path}, "") if os.geteuid() == 0 else ({}, "Permission")) == (
        found,
        "Permission" if "Permission" in caplog.text else "",
    )
