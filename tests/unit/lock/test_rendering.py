"""`lading.lock.rendering`: the bytes of a lockfile."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lading.conda.names import Platform
from lading.conda.records import RepodataRecord
from lading.errors import LockError
from lading.lock.model import LockedPackage
from lading.lock.reading import read_lockfile
from lading.lock.rendering import (
    document_of,
    dump_lockfile,
    locked_packages,
)
from simulators.channel import CANONICAL, ChannelSimulator, Package

MAIN = {"main": ["tool"]}


@pytest.fixture
def records(tmp_path: Path) -> tuple[RepodataRecord, ...]:
    """`tool` and `check` need `library`; `check` needs `helper`."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(
        Package(
            name="tool",
            depends=("python_abi 3.12.* *_cp312", "library >=1", "library <2", "__glibc >=2.17"),
        )
    )
    channel.add(Package(name="check", depends=("library", "helper 1.0 0")))
    channel.add(Package(name="helper", noarch="python"))
    channel.add(Package(name="library"))
    channel.add(Package(name="python_abi", version="3.12"))
    return channel.records()


def _render(packages: Iterable[LockedPackage]) -> bytes:
    platform = Platform.LINUX_64
    document = document_of(
        content_hash={platform.value: "0" * 64},
        channels=[CANONICAL],
        sources=["../../environment.yml"],
        custom={"lading-environment": "service"},
        packages=[(item, platform) for item in packages],
    )
    return dump_lockfile(document, "service", platform)


def test_dependencies(records: tuple[RepodataRecord, ...]) -> None:
    """Constraints on one name are joined, builds are left out, virtual packages stay."""
    entries = {entry.name: entry for entry in locked_packages(records, MAIN)}
    expected = {"__glibc": ">=2.17", "library": "<2,>=1", "python_abi": "3.12.*"}
    assert expected == entries["tool"].dependencies
    assert entries["check"].dependencies == {"helper": "1.0", "library": ""}


def test_alternatives_stay_alternatives(records: tuple[RepodataRecord, ...]) -> None:
    """Where `|` and `,` meet, every alternative gets all of the rest."""
    record = replace(records[0], depends=("x 1.*|3.*", "x !=1.2", "weird [x]"))
    (entry,) = locked_packages([record], {})
    assert entry.dependencies == {"x": "!=1.2,1.*|!=1.2,3.*", "weird": "[x]"}


def test_categories(records: tuple[RepodataRecord, ...]) -> None:
    """A package is of the categories that need it; `main` stands alone."""
    requested = {**MAIN, "test": ["check"], "dev": ["check", "__glibc"]}
    found = {entry.name: entry.categories for entry in locked_packages(records, requested)}
    assert found["tool"] == ("main",)
    assert found["library"] == ("main",)
    assert found["check"] == ("dev", "test")
    assert found["helper"] == ("dev", "test")


@pytest.mark.parametrize("digest", ["md5", "sha256"])
def test_missing_digest(records: tuple[RepodataRecord, ...], digest: str) -> None:
    """A record without a digest cannot be locked, and is named."""
    record = replace(records[0], **{digest: None})
    with pytest.raises(LockError, match=f"the {digest} of check-1.0-0.conda"):
        locked_packages([record], {})


def test_bytes(records: tuple[RepodataRecord, ...], tmp_path: Path) -> None:
    """What is written is what is read."""
    path = tmp_path / "linux-64.conda-lock.yml"
    path.write_bytes(_render(locked_packages(records, MAIN)))
    lockfile = read_lockfile(path)
    assert [record.distribution for record in records] == [
        item.to_record().distribution for item in lockfile.conda
    ]
    assert lockfile.sources == ("../../environment.yml",)
    assert lockfile.environment == "service"


def test_header_and_form(records: tuple[RepodataRecord, ...]) -> None:
    """It begins with how to install it, has no alias, and does not name this machine."""
    data = _render(locked_packages(records, MAIN))
    text = data.decode()
    assert "#     lading install service -p linux-64\n" in text
    assert "#     micromamba create -p PREFIX -f linux-64.conda-lock.yml\n" in text
    assert "&id" not in text
    assert "file:" not in text
    document = yaml.safe_load(text)
    assert list(document) == ["version", "metadata", "package"]
    assert document["metadata"]["channels"] == [{"url": CANONICAL, "used_env_vars": []}]


def test_optional_packages_stand_once_for_each_category(
    records: tuple[RepodataRecord, ...],
) -> None:
    """As conda-lock writes them."""
    data = _render(locked_packages(records[:1], {"test": ["check"], "dev": ["check"]}))
    packages = yaml.safe_load(data)["package"]
    assert [(item["category"], item["optional"]) for item in packages] == [
        ("dev", True),
        ("test", True),
    ]
