"""Will an environment run on this machine, and how would it get there? Asked beforehand.

report = assess(subject, look_at_host(), look_at_site(prefix, os.environ), ways)
assert report.is_ready
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from lading.errors import PrefixError
from lading.format import Requirements
from lading.node.host import Host, Machine, Site, look_at_machine

FEW_FILES = 1024
_LEVELS = {
    2: re.compile(r"x86_64_v2|nehalem|westmere|sandybridge|ivybridge"),
    3: re.compile(r"x86_64_v3|haswell|broadwell|skylake|zen[23]?"),
    4: re.compile(r"x86_64_v4|skylake_avx512|cascadelake|icelake|sapphirerapids|zen[45]"),
}
"""Names of archspec by their level of the architecture; of the others nothing is known."""

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
        *_of_machine(subject.platform, host),
        *_of_packages(subject.requirements.virtual_packages, host),
        *_of_driver(subject.requirements.virtual_packages, host),
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


def check_machine(
    name: str,
    platform: str,
    requirements: Requirements,
    prefix: Path | None = None,
    machine: Machine | None = None,
) -> None:
    """Refuse an environment that will not run on this machine, as far as that costs no time.

    The driver of a GPU is left out: it is missing where environments are often unpacked for others.

    Args:
        name: What is to run.
        platform: Its platform.
        requirements: Of the machine.
        prefix: Where it will be unpacked, absolute, or None.
        machine: None means this one.

    Raises:
        PrefixError: Something is in the way.
    """
    machine = machine or look_at_machine()
    items = [*_of_machine(platform, machine), *_of_packages(requirements.virtual_packages, machine)]
    if prefix is not None:
        nearest = next(path for path in (prefix, *prefix.parents) if path.is_dir())
        items.append(_of_programs(noexec=bool(os.statvfs(nearest).f_flag & os.ST_NOEXEC)))
    wrong = [item for item in items if item.verdict is Verdict.NO]
    if wrong:
        raise PrefixError(
            f"{name} will not run on {machine.name}",
            hint="`lading preflight` tells more; with --anyway it is done all the same",
            details=tuple(item_lines(wrong)),
        )


def item_lines(items: Iterable[Item]) -> list[str]:
    """A line for each item, and one for what to do."""
    items = tuple(items)
    width = max(len(item.name) for item in items)
    lines = []
    for item in items:
        needed = f", needed {item.needed}" if item.needed else ""
        lines.append(f"{item.verdict:<4} {item.name:<{width}}  {item.found}{needed}")
        if item.remedy:
            lines.append(f"{'':<4} {'':<{width}}  {item.remedy}")
    return lines


def _of_machine(platform: str, host: Machine) -> Iterator[Item]:
    system, _, machine = platform.partition("-")
    fits = host.system == {"osx": "darwin"}.get(system, system) and (
        host.machine in _MACHINES.get(machine, {machine})
        # macOS translates the programs of Intel's processors.
        or (platform, host.machine) == ("osx-64", "arm64")
    )
    yield _item(
        "platform",
        f"{host.system} {host.machine}",
        platform,
        fits=fits,
        remedy="pack the environment for this platform",
    )


_OLDER = "lock for this machine: --virtual-package-spec, or `virtual-packages` in lading.toml"


def _of_packages(packages: "dict[str, str]", host: Machine) -> Iterator[Item]:
    """What the lock was solved for, against what is here."""
    for name, found in (
        ("__glibc", host.glibc),
        ("__linux", host.kernel),
        ("__osx", host.macos),
    ):
        yield from _of_version(packages.get(name), name, found)
    processor = packages.get("__archspec", "").rpartition("=")[2]
    level = next((number for number, name in _LEVELS.items() if name.fullmatch(processor)), None)
    if level is not None:
        fits = host.level >= level
        yield _item("__archspec", f"x86_64_v{host.level}", processor, fits=fits, remedy=_OLDER)


def _of_driver(packages: "dict[str, str]", host: Host) -> Iterator[Item]:
    """The same for what the driver of a GPU serves."""
    for name, found in (("__cuda", host.cuda), ("__cuda_arch", host.cuda_arch)):
        yield from _of_version(packages.get(name), name, found)


def _of_version(needed: str | None, name: str, found: str) -> Iterator[Item]:
    if needed is not None:
        fits = bool(found) and version_key(found) >= version_key(needed)
        yield _item(name, found or "none", needed, fits=fits, remedy=_OLDER)


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
            remedy="choose a shorter path",
        )
    yield _item("writable", place.nearest, "", fits=place.writable, remedy=_ELSEWHERE)
    yield _item(
        "space",
        f"{place.free / 1e6:,.0f} MB free",
        f"{subject.unpacked / 1e6:,.0f} MB",
        fits=place.free >= subject.unpacked,
        remedy=f"free space in {place.nearest}, or {_ELSEWHERE}",
    )
    if place.inodes is not None:
        yield _item(
            "inodes",
            f"{place.inodes:,} free",
            f"{subject.files:,}",
            fits=place.inodes >= subject.files,
            remedy=f"remove files in {place.nearest}, or {_ELSEWHERE}",
        )
    if place.quota is not None:
        space, files = place.quota.space, place.quota.files
        left = [f"{space / 1e6:,.0f} MB"] if space is not None else []
        left += [f"{files:,} files"] if files is not None else []
        yield _item(
            "quota",
            f"{' and '.join(left)} left",
            f"{subject.unpacked / 1e6:,.0f} MB and {subject.files:,} files",
            fits=(space is None or space >= subject.unpacked)
            and (files is None or files >= subject.files),
            remedy=f"remove files of yours in {place.nearest}, or {_ELSEWHERE}",
        )
    yield _of_programs(noexec=place.noexec)


_ELSEWHERE = "choose another place"


def _of_programs(*, noexec: bool) -> Item:
    return _item(
        "programs",
        "noexec" if noexec else "can be run",
        "",
        fits=not noexec,
        remedy=_ELSEWHERE,
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
