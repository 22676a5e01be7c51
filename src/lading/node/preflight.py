"""Will an environment run on this machine, and how would it get there? Asked beforehand.

report = assess(subject, look_at_host(), look_at_site(prefix, os.environ), ways)
assert report.is_ready
"""

from collections.abc import Iterator, Sequence

import msgspec

from lading.format import Requirements
from lading.node.host import Host, Site
from lading.node.machine import (
    ELSEWHERE,
    Item,
    Verdict,
    item,
    of_machine,
    of_packages,
    of_programs,
    of_version,
)

FEW_FILES = 1024


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A way of bringing an environment to a program.

    Attributes:
        name: See `How`.
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
    # Through a store files are unpacked, too, though at another path than the prefix.
    unpacks = delivery in {"", "overlay", "unpack"}
    items = [
        *of_machine(subject.platform, host),
        *of_packages(subject.requirements.virtual_packages, host),
        *_of_driver(subject.requirements.virtual_packages, host),
        *(_of_prefix(subject, place) if unpacks and delivery != "overlay" else ()),
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


def _of_driver(packages: "dict[str, str]", host: Host) -> Iterator[Item]:
    """The same for what the driver of a GPU serves."""
    for name, found in (("__cuda", host.cuda), ("__cuda_arch", host.cuda_arch)):
        yield from of_version(packages.get(name), name, found)


def _of_prefix(subject: Subject, place: Site) -> Iterator[Item]:
    """Whether its path fits into the files."""
    longest = subject.requirements.longest_prefix
    length = len(place.path.encode())
    if longest is not None:
        yield item(
            "prefix length",
            f"{length} bytes",
            f"at most {longest}",
            fits=length <= longest,
            remedy="choose a shorter path",
        )


def _of_place(subject: Subject, place: Site) -> Iterator[Item]:
    """Whether the environment fits, unpacked."""
    yield item("writable", place.nearest, "", fits=place.writable, remedy=ELSEWHERE)
    yield item(
        "space",
        f"{place.free / 1e6:,.0f} MB free",
        f"{subject.unpacked / 1e6:,.0f} MB",
        fits=place.free >= subject.unpacked,
        remedy=f"free space in {place.nearest}, or {ELSEWHERE}",
    )
    if place.inodes is not None:
        yield item(
            "inodes",
            f"{place.inodes:,} free",
            f"{subject.files:,}",
            fits=place.inodes >= subject.files,
            remedy=f"remove files in {place.nearest}, or {ELSEWHERE}",
        )
    if place.quota is not None:
        space, files = place.quota.space, place.quota.files
        left = [f"{space / 1e6:,.0f} MB"] if space is not None else []
        left += [f"{files:,} files"] if files is not None else []
        yield item(
            "quota",
            f"{' and '.join(left)} left",
            f"{subject.unpacked / 1e6:,.0f} MB and {subject.files:,} files",
            fits=(space is None or space >= subject.unpacked)
            and (files is None or files >= subject.files),
            remedy=f"remove files of yours in {place.nearest}, or {ELSEWHERE}",
        )
    yield of_programs(noexec=place.noexec)


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
