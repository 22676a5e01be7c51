"""Will an environment run on this machine, and how would it get there? Asked beforehand.

report = preflight(subject, look_at_host(), look_at_site(prefix), ways)
assert report.is_ready
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from lading.format import Requirements
from lading.node.host import Host, Site

FEW_FILES = 1024
_MACHINES = {"64": {"x86_64", "amd64"}, "aarch64": {"aarch64", "arm64"}, "arm64": {"arm64"}}


class Verdict(StrEnum):
    """What a look at one thing says."""

    YES = "yes"
    NOTE = "note"
    NO = "no"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        name: What.
        verdict: Whether it will do.
        found: What is there.
        needed: What must be there, or empty.
        remedy: What to do; empty where nothing needs doing.
    """

    name: str
    verdict: Verdict
    found: str
    needed: str = ""
    remedy: str = ""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A way of bringing an environment to a program.

    Attributes:
        name: `kernel`, `namespace`, `fuse`, `apptainer`, `unpack`.
        reason: Why it is not possible, or empty.
    """

    name: str
    reason: str


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is to run.

    Attributes:
        name: Path or URL.
        environment: Its name.
        platform: Its platform.
        unpacked: Bytes of its files.
        files: How many there are.
        requirements: Of the place.
        is_image: Whether it can be mounted.
    """

    name: str
    environment: str
    platform: str
    unpacked: int
    files: int
    requirements: Requirements
    is_image: bool


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """The answer.

    Attributes:
        host: Name of the machine.
        subject: What was asked about.
        delivery: The way that would be taken; empty where there is none.
        ways: All ways, the fastest first.
        items: What was looked at.
    """

    host: str
    subject: str
    delivery: str
    ways: tuple[Way, ...]
    items: tuple[Item, ...]

    @property
    def is_ready(self) -> bool:
        """Whether nothing is in the way."""
        return bool(self.delivery) and all(item.verdict is not Verdict.NO for item in self.items)


def assess(subject: Subject, host: Host, place: Site, ways: Sequence[Way]) -> Preflight:
    """What `host` and `place` say of `subject`; pure.

    Args:
        subject: What is to run.
        host: The machine.
        place: Where it would be unpacked, or what stands behind an image.
        ways: Tried, the fastest first.
    """
    delivery = next((way.name for way in ways if not way.reason), "")
    unpacks = delivery in {"", "unpack"}
    items = [
        *_of_machine(subject, host),
        *_of_packages(subject.requirements.virtual_packages, host),
        *(_of_place(subject, place) if unpacks else ()),
        *_of_limits(host, place),
    ]
    return Preflight(
        host=host.name,
        subject=subject.name,
        delivery=delivery,
        ways=tuple(ways),
        items=tuple(items),
    )


def _of_machine(subject: Subject, host: Host) -> Iterator[Item]:
    system, _, machine = subject.platform.partition("-")
    fits = host.system == {"osx": "darwin"}.get(system, system) and (
        host.machine in _MACHINES.get(machine, {machine})
    )
    yield _item(
        "platform",
        f"{host.system} {host.machine}",
        subject.platform,
        fits=fits,
        remedy="pack the environment for this platform",
    )


def _of_packages(packages: "dict[str, str]", host: Host) -> Iterator[Item]:
    """What the lock was solved for, against what is here."""
    older = "lock for this machine: --virtual-package-spec, or `virtual-packages` in lading.toml"
    for name, found in (
        ("__glibc", host.glibc),
        ("__linux", host.kernel),
        ("__cuda", host.cuda),
        ("__cuda_arch", host.cuda_arch),
    ):
        needed = packages.get(name)
        if needed is not None:
            yield _item(
                name,
                found or "none",
                needed,
                fits=bool(found) and version_key(found) >= version_key(needed),
                remedy=older,
            )
    level = re.search(r"x86_64_v([1-4])", packages.get("__archspec", ""))
    if level is not None:
        fits = host.level >= int(level[1])
        yield _item("__archspec", f"x86_64_v{host.level}", level[0], fits=fits, remedy=older)


def version_key(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, without zeros at the end: `6.1.0-13` is (6, 1)."""
    found = re.match(r"\d+(\.\d+)*", text)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _of_place(subject: Subject, place: Site) -> Iterator[Item]:
    """Whether the environment fits, unpacked."""
    longest = subject.requirements.longest_prefix
    length = len(place.path.encode())
    if longest is not None:
        yield _item(
            "prefix length",
            f"{length} bytes",
            f"at most {longest}",
            fits=length <= longest,
            remedy="choose a shorter path with --prefix",
        )
    elsewhere = "choose another place with --prefix"
    yield _item("writable", place.nearest, "", fits=place.writable, remedy=elsewhere)
    yield _item(
        "space",
        f"{place.free / 1e6:,.0f} MB free",
        f"{subject.unpacked / 1e6:,.0f} MB",
        fits=place.free >= subject.unpacked,
        remedy=f"free space in {place.nearest}, or {elsewhere}",
    )
    if place.inodes is not None:
        yield _item(
            "inodes",
            f"{place.inodes:,} free",
            f"{subject.files:,}",
            fits=place.inodes >= subject.files,
            remedy=f"remove files in {place.nearest}, or {elsewhere}",
        )
    yield _item(
        "programs",
        "noexec" if place.noexec else "can be run",
        "",
        fits=not place.noexec,
        remedy=elsewhere,
    )


def _of_limits(host: Host, place: Site) -> Iterator[Item]:
    """What need not be as it is, and is good to know."""
    few = host.open_files < FEW_FILES
    yield Item(
        name="open files",
        verdict=Verdict.NOTE if few else Verdict.YES,
        found=str(host.open_files),
        needed=f"{FEW_FILES} for most programs" if few else "",
        remedy="raise it with `ulimit -n`" if few else "",
    )
    yield Item(
        name="file system", verdict=Verdict.YES, found=f"{place.file_system} at {place.nearest}"
    )
    for name, reason in (
        ("user namespaces", host.user_namespaces),
        ("overlay in them", host.overlay),
        ("/dev/fuse", host.fuse),
        ("reflinks", "" if place.reflink else f"not at {place.nearest}"),
    ):
        yield Item(
            name=name,
            verdict=Verdict.NOTE if reason else Verdict.YES,
            found=reason or "possible",
        )


def _item(name: str, found: str, needed: str, *, fits: bool, remedy: str) -> Item:
    return Item(
        name=name,
        verdict=Verdict.YES if fits else Verdict.NO,
        found=found,
        needed=needed,
        remedy="" if fits else remedy,
    )
