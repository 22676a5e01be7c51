"""What a machine is, and whether an environment can run on it, as far as a look at it tells.

check_machine("env.tar.zst", "linux-64", requirements)

Every program that runs in an image begins with it: it takes less than a millisecond, and loads
little.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

import msgspec

from lading.errors import PrefixError
from lading.format import Requirements
from lading.system import nearest_directory

_CPU_BYTES = 1 << 12
_FLAGS = {
    # x86-64-ABI, section 3.1.1; the names of /proc/cpuinfo.
    4: {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    3: {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"},
    2: {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"},
}

_PROCESSORS = {
    2: "x86_64_v2 nehalem westmere sandybridge ivybridge",
    3: "x86_64_v3 haswell broadwell skylake zen zen2 zen3",
    4: "x86_64_v4 skylake_avx512 cascadelake icelake sapphirerapids zen4 zen5",
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


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine is: what can be found out in less than a millisecond.

    Attributes:
        name: Of the host.
        machine: Such as `x86_64`.
        system: Such as `linux`.
        glibc: Version, or empty.
        kernel: Version.
        macos: Version, or empty.
        level: Of the x86-64 architecture, 1 to 4; 0 elsewhere.
    """

    name: str
    machine: str
    system: str
    glibc: str
    kernel: str
    macos: str
    level: int


def look_at_machine() -> Machine:
    """This machine; nothing is tried."""
    system = os.uname()
    return Machine(
        name=system.nodename,
        machine=system.machine,
        system=system.sysname.lower(),
        glibc=_glibc(),
        kernel=system.release,
        macos=_macos() if system.sysname == "Darwin" else "",
        level=_level() if system.machine == "x86_64" else 0,
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
    items = [*of_machine(platform, machine), *of_packages(requirements.virtual_packages, machine)]
    if prefix is not None:
        flags = os.statvfs(nearest_directory(prefix)).f_flag
        items.append(of_programs(noexec=bool(flags & os.ST_NOEXEC)))
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


def of_machine(platform: str, host: Machine) -> Iterator[Item]:
    """Whether an environment for `platform` can run on `host`."""
    system, _, machine = platform.partition("-")
    fits = host.system == {"osx": "darwin"}.get(system, system) and (
        host.machine in _MACHINES.get(machine, {machine})
        # macOS translates the programs of Intel's processors.
        or (platform, host.machine) == ("osx-64", "arm64")
    )
    yield item(
        "platform",
        f"{host.system} {host.machine}",
        platform,
        fits=fits,
        remedy="pack the environment for this platform",
    )


_OLDER = "lock for this machine: --virtual-package-spec, or `virtual-packages` in lading.toml"


def of_packages(packages: "dict[str, str]", host: Machine) -> Iterator[Item]:
    """What the lock was solved for, against what is here."""
    for name, found in (
        ("__glibc", host.glibc),
        ("__linux", host.kernel),
        ("__osx", host.macos),
    ):
        yield from of_version(packages.get(name), name, found)
    processor = packages.get("__archspec", "").rpartition("=")[2]
    level = next((key for key, text in _PROCESSORS.items() if processor in text.split()), None)
    if level is not None:
        fits = host.level >= level
        yield item("__archspec", f"x86_64_v{host.level}", processor, fits=fits, remedy=_OLDER)


def of_version(needed: str | None, name: str, found: str) -> Iterator[Item]:
    """Whether the version `found` is at least what is needed; nothing where nothing is needed."""
    if needed is not None:
        fits = bool(found) and version_key(found) >= version_key(needed)
        yield item(name, found or "none", needed, fits=fits, remedy=_OLDER)


def version_key(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, without zeros at the end: `6.1.0-13` is (6, 1)."""
    found = re.match(r"\d+(\.\d+)*", text)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


ELSEWHERE = "choose another place"


def of_programs(*, noexec: bool) -> Item:
    """Whether programs can be run from a place that is mounted so."""
    return item(
        "programs",
        "noexec" if noexec else "can be run",
        "",
        fits=not noexec,
        remedy=ELSEWHERE,
    )


def item(name: str, found: str, needed: str, *, fits: bool, remedy: str) -> Item:
    """What was found, and what to do where it does not fit."""
    return Item(
        name=name,
        verdict=Verdict.YES if fits else Verdict.NO,
        found=found,
        needed=needed,
        remedy="" if fits else remedy,
    )


def _glibc() -> str:
    with suppress(ValueError, OSError):
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        return version if name == "glibc" else ""
    return ""


def _macos() -> str:
    import platform  # noqa: PLC0415  # slow to load, and of no use on Linux

    return platform.mac_ver()[0]


def _level() -> int:
    try:
        with Path("/proc/cpuinfo").open("rb", buffering=0) as stream:
            # The first processor: of each the kernel asks how fast it is, which takes time.
            text = stream.read(_CPU_BYTES).decode("utf-8", "replace")
    except OSError:
        return 0
    return x86_64_level(text)


def x86_64_level(cpuinfo: str) -> int:
    """The level of the architecture that the text of `/proc/cpuinfo` tells, 1 to 4."""
    found = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    level = 1
    for number in sorted(_FLAGS):
        if not _FLAGS[number] <= flags:
            break
        level = number
    return level
