"""Will an environment run on a machine? What is looked at, what is said, and what to do."""

from pathlib import Path

import msgspec
import pytest

from lading.errors import PrefixError
from lading.format.manifest import Requirements
from lading.node.host import Host, Site, in_child, look_at_host, look_at_site
from lading.node.machine import Item, Verdict, check_machine, version_key, x86_64_level
from lading.node.preflight import Preflight, Subject, Way, assess
from lading.node.quota import Quota

HOST = Host(
    name="node1",
    machine="x86_64",
    system="linux",
    glibc="2.34",
    kernel="5.14.0-427.el9",
    macos="",
    level=3,
    cuda="12.4",
    cuda_arch="8.0",
    open_files=1024,
    user_namespaces="",
    overlay="",
    fuse="",
)
SITE = Site(
    path="/scratch/env",
    nearest="/scratch",
    file_system="ext4",
    free=1000,
    inodes=100,
    quota=None,
    writable=True,
    noexec=False,
    reflink=False,
)
UNPACK = (Way(name="unpack", reason=""),)


def subject(**packages: str) -> Subject:
    """An environment that was solved for `packages`, their `__` left out."""
    needed = {f"__{name}": version for name, version in packages.items()}
    return Subject(
        name="env.tar.zst",
        environment="env",
        platform="linux-64",
        unpacked=1000,
        files=100,
        requirements=Requirements(longest_prefix=20, virtual_packages=needed),
        is_image=False,
    )


def ask(
    asked: Subject | None = None,
    host: dict[str, object] | None = None,
    site: dict[str, object] | None = None,
    ways: tuple[Way, ...] = UNPACK,
) -> Preflight:
    """The answer where host and site differ from the usual ones."""
    return assess(
        asked or subject(),
        msgspec.structs.replace(HOST, **(host or {})),
        msgspec.structs.replace(SITE, **(site or {})),
        ways,
    )


def in_the_way(report: Preflight) -> list[Item]:
    """What makes the answer no."""
    return [item for item in report.items if item.verdict is Verdict.NO]


def test_all_is_well() -> None:
    """A machine that has just what is needed will do."""
    report = ask(
        subject(glibc="2.34", linux="5.14", cuda="12.4", cuda_arch="8.0", archspec="x86_64_v3")
    )
    assert (True, "unpack", []) == (report.is_ready, report.delivery, in_the_way(report))


@pytest.mark.parametrize(
    ("packages", "host", "site", "name"),
    [
        ({"glibc": "2.35"}, {}, {}, "__glibc"),
        ({"glibc": "2.17"}, {"glibc": ""}, {}, "__glibc"),
        ({"linux": "6"}, {}, {}, "__linux"),
        ({"cuda": "12.5"}, {}, {}, "__cuda"),
        ({"cuda": "11"}, {"cuda": ""}, {}, "__cuda"),
        ({"cuda_arch": "9.0"}, {}, {}, "__cuda_arch"),
        ({"archspec": "1=x86_64_v4"}, {}, {}, "__archspec"),
        ({"archspec": "1=zen4"}, {}, {}, "__archspec"),
        ({"archspec": "1=haswell"}, {"level": 2}, {}, "__archspec"),
        ({}, {"machine": "aarch64"}, {}, "platform"),
        ({}, {"system": "darwin"}, {}, "platform"),
        ({}, {}, {"path": "/scratch/" + "x" * 20}, "prefix length"),
        ({}, {}, {"free": 999}, "space"),
        ({}, {}, {"inodes": 99}, "inodes"),
        ({}, {}, {"quota": Quota(space=999, files=None)}, "quota"),
        ({}, {}, {"quota": Quota(space=None, files=99)}, "quota"),
        ({}, {}, {"noexec": True}, "programs"),
        ({}, {}, {"writable": False}, "writable"),
    ],
)
def test_what_is_in_the_way(
    packages: dict[str, str], host: dict[str, object], site: dict[str, object], name: str
) -> None:
    """Each is told by its name, with what to do."""
    report = ask(subject(**packages), host, site)
    [item] = in_the_way(report)
    assert (name, False, True) == (item.name, report.is_ready, bool(item.remedy))


def test_what_is_good_to_know() -> None:
    """What a site forbids is noted, and stands in no environment's way."""
    report = ask(
        host={"fuse": "Permission denied", "user_namespaces": "No space", "open_files": 256}
    )
    noted = {item.name for item in report.items if item.verdict is Verdict.NOTE}
    assert ({"/dev/fuse", "user namespaces", "open files", "reflinks"}, True) == (
        noted,
        report.is_ready,
    )


def test_the_fastest_way_is_taken() -> None:
    """An image that can be mounted needs no room."""
    ways = (Way(name="kernel", reason="only root"), Way(name="namespace", reason=""), *UNPACK)
    report = ask(site={"free": 0, "noexec": True}, ways=ways)
    assert ("namespace", True) == (report.delivery, report.is_ready)


def test_no_way() -> None:
    """Where there is none the answer is no, whatever else is well."""
    report = ask(ways=(Way(name="unpack", reason="there is no unsquashfs"),))
    assert ("", False) == (report.delivery, report.is_ready)


def test_file_systems_without_inodes() -> None:
    """Some do not count them."""
    assert "inodes" not in {item.name for item in ask(site={"inodes": None}).items}


@pytest.mark.parametrize(
    ("text", "key"),
    [("2.28", (2, 28)), ("6.1.0-13-amd64", (6, 1)), ("12.0", (12,)), ("", ()), ("x", ())],
)
def test_versions(text: str, key: tuple[int, ...]) -> None:
    """The leading numbers are compared."""
    assert key == version_key(text)


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("fpu", 1),
        ("cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3", 2),
        ("cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma abm movbe", 3),
        ("avx avx2 bmi1 bmi2 f16c fma abm movbe", 1),
    ],
)
def test_levels_of_the_architecture(flags: str, level: int) -> None:
    """A level holds all of those below."""
    assert level == x86_64_level(f"processor : 0\nflags\t\t: {flags}\nbugs:\n")


def test_the_cheap_part(tmp_path: Path) -> None:
    """It is refused in the words of a preflight; what a GPU's driver serves is not asked."""
    needed = {"__glibc": "2.35", "__archspec": "1=x86_64_v4", "__cuda": "99"}
    with pytest.raises(PrefixError, match="env will not run on node1") as caught:
        check_machine("env", "linux-64", Requirements(virtual_packages=needed), tmp_path, HOST)
    told = "\n".join(caught.value.details)
    assert ("2.34, needed 2.35" in told, "x86_64_v3, needed x86_64_v4" in told) == (True, True)
    assert ("cuda" in told, "--anyway" in caught.value.hint) == (False, True)
    check_machine("env", "linux-64", Requirements(virtual_packages={"__cuda": "99"}), None, HOST)


def test_macos() -> None:
    """Its version counts, and it runs the programs of Intel's processors too."""
    mac = msgspec.structs.replace(HOST, system="darwin", machine="arm64", macos="12.6", level=0)
    for platform in ("osx-64", "osx-arm64"):
        needed = Requirements(virtual_packages={"__osx": "11.0"})
        check_machine("env", platform, needed, None, mac)
    with pytest.raises(PrefixError, match="env will not run"):
        check_machine("env", "osx-64", Requirements(virtual_packages={"__osx": "13.0"}), None, mac)


def test_this_machine(tmp_path: Path) -> None:
    """It can be looked at, and nothing stays of that."""
    host, site = look_at_host(), look_at_site(tmp_path / "a/b", {})
    assert (str(tmp_path), True, []) == (site.nearest, site.writable, list(tmp_path.iterdir()))
    assert host.kernel
    assert site.free > 0


def test_a_child_that_fails() -> None:
    """The reason of what is tried comes back."""

    def attempt() -> str:
        raise PermissionError(1, "Operation not permitted")

    assert ("Operation not permitted", "") == (in_child(attempt), in_child(str))
