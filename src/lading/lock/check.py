"""Does a lock still answer its sources? No solver, no network.

What is looked at, for each platform: is every requested spec satisfied by what is locked, is the
lock closed (every dependency of every package there, in a version that fits), was it made from the
same channels and for the same virtual packages, does it hold nothing that nobody needs.
The answer is data: a report of findings; errors are raised for files that cannot be read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from lading.conda import (
    Platform,
    VirtualPackage,
    canonical_channel,
    default_virtual_packages,
    is_virtual,
    override_virtual_packages,
    parse_platform,
)
from lading.engine import admits, satisfies
from lading.lock.model import (
    LOCK_SUFFIX,
    LockedPackage,
    Lockfile,
    Manager,
    lock_path,
    read_lockfile,
)
from lading.lock.wanted import Requested, applies, parse_requirement

__all__ = ["CheckRequest", "LockFinding", "LockReport", "check_lock", "locked_platforms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Check the lockfiles of one environment.

    Attributes:
        name: Of the environment.
        directory: The project: absolute, holds `locks/`.
        wanted: Platform → what its sources ask for; at least one.
        channels: Names or URLs that replace those of the sources; empty keeps theirs.
        virtual_packages: Platform → name → version, in addition to or instead of its defaults.
        content_hashes: Platform → conda-lock's hash of the sources, where it was asked for it.
        all_platforms: Whether no other platform may be locked.
    """

    name: str
    directory: Path
    wanted: Mapping[Platform, Requested]
    channels: tuple[str, ...] = ()
    virtual_packages: Mapping[Platform, Mapping[str, str]] = field(default_factory=dict)
    content_hashes: Mapping[Platform, str] = field(default_factory=dict)
    all_platforms: bool = False

    def virtual_packages_of(self, platform: Platform) -> tuple[VirtualPackage, ...]:
        """What is expected of a machine of `platform`; sorted by name."""
        overrides = self.virtual_packages.get(platform, {})
        return override_virtual_packages(default_virtual_packages(platform), overrides)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LockFinding:
    """Something in which a lock is not what it should be.

    Attributes:
        platform: Whose lockfile.
        rule: `platform`, `spec`, `closure`, `channels`, `virtual`, `surplus` or `hash`.
        subject: The spec or the package.
        message: What is wrong with it, one line.
    """

    platform: str
    rule: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReport:
    """The answer.

    Attributes:
        name: Of the environment.
        platforms: Those looked at.
        packages: How many locked packages were looked at.
        findings: Empty where the lock is fresh.
    """

    name: str
    platforms: tuple[Platform, ...]
    packages: int
    findings: tuple[LockFinding, ...]

    @property
    def is_fresh(self) -> bool:
        """Whether there is nothing to be done."""
        return not self.findings


def locked_platforms(directory: Path, name: str) -> tuple[Platform, ...]:
    """The platforms for which the environment `name` is locked, sorted."""
    found = []
    for path in sorted((directory / "locks" / name).glob(f"*{LOCK_SUFFIX}")):
        try:
            found.append(parse_platform(path.name.removesuffix(LOCK_SUFFIX)))
        except ValueError:
            continue
    return tuple(found)


def check_lock(request: CheckRequest) -> LockReport:
    """Whether the lockfiles of an environment still answer its sources.

    Raises:
        LockError: A lockfile cannot be read.
        SpecError: A pip requirement cannot be read.
    """
    findings: list[LockFinding] = []
    packages = 0
    for platform, wanted in request.wanted.items():
        path = lock_path(request.directory, request.name, platform)
        if not path.is_file():
            findings.append(_finding(platform, "platform", platform, "it is not locked"))
            continue
        lockfile = read_lockfile(path, platform)
        packages += len(lockfile.packages)
        findings += _findings(request, lockfile, wanted)
    if request.all_platforms:
        findings += [
            _finding(platform, "platform", platform, "it is locked, and nothing asks for it")
            for platform in locked_platforms(request.directory, request.name)
            if platform not in request.wanted
        ]
    return LockReport(
        name=request.name,
        platforms=tuple(request.wanted),
        packages=packages,
        findings=tuple(findings),
    )


def _findings(request: CheckRequest, lock: Lockfile, wanted: Requested) -> Iterator[LockFinding]:
    contents = _Contents(lock)
    yield from _context_findings(request, lock, wanted)
    yield from _spec_findings(contents, wanted)
    yield from _requirement_findings(contents, wanted)
    yield from _closure_findings(contents)
    yield from _surplus_findings(contents, wanted)


class _Contents:
    """A lockfile, by name."""

    def __init__(self, lock: Lockfile) -> None:
        self.lock = lock
        self.platform = lock.platform
        self.conda = {item.name: item for item in lock.conda}
        self.pip = {canonicalize_name(item.name): item for item in lock.pip}
        self.by_pypi_name = {canonicalize_name(name): item for name, item in self.conda.items()}

    def find(self, manager: Manager, name: str) -> LockedPackage | None:
        """The package that a package of `manager` means by `name`."""
        if manager is Manager.CONDA:
            return self.conda.get(name)
        normal = canonicalize_name(name)
        return self.pip.get(normal) or self.by_pypi_name.get(normal)


def _context_findings(
    request: CheckRequest, lock: Lockfile, wanted: Requested
) -> Iterator[LockFinding]:
    channels = tuple(canonical_channel(name) for name in request.channels) or wanted.channels
    locked = tuple(canonical_channel(name) for name in lock.channels)
    if channels != locked:
        message = f"asked for are {', '.join(channels)}; locked from {', '.join(locked)}"
        yield _finding(lock.platform, "channels", "channels", message)
    wants = {item.name: item.version for item in request.virtual_packages_of(lock.platform)}
    if lock.virtual_packages and wants != dict(lock.virtual_packages):
        for name in sorted(wants.keys() | lock.virtual_packages.keys()):
            now, then = wants.get(name, "none"), lock.virtual_packages.get(name, "none")
            if now != then:
                message = f"promised is {now}, locked for {then}"
                yield _finding(lock.platform, "virtual", name, message)
    expected = request.content_hashes.get(lock.platform)
    if expected is not None and expected != lock.content_hash:
        message = "the sources ask for something else than when it was locked"
        yield _finding(lock.platform, "hash", "content_hash", message)


def _spec_findings(contents: _Contents, wanted: Requested) -> Iterator[LockFinding]:
    for spec in wanted.specs:
        locked = contents.conda.get(spec.name)
        if locked is None:
            yield _finding(contents.platform, "spec", spec.text, "it is not locked")
            continue
        record = locked.to_record()
        if not satisfies(spec, record.version, record.build, record.channel):
            message = f"locked is {locked.version} {record.build} of {record.channel}"
            yield _finding(contents.platform, "spec", spec.text, message)


def _requirement_findings(contents: _Contents, wanted: Requested) -> Iterator[LockFinding]:
    python = contents.conda.get("python")
    version = python.version if python is not None else ""
    for line in wanted.pip:
        requirement = parse_requirement(line)
        if not applies(requirement, contents.platform, version):
            continue
        locked = contents.pip.get(canonicalize_name(requirement.name))
        if locked is None:
            yield _finding(contents.platform, "spec", f"pip: {line}", "it is not locked")
        elif requirement.url is not None:
            if requirement.url.partition("#")[0] != locked.url.partition("#")[0]:
                message = f"locked is {locked.url}"
                yield _finding(contents.platform, "spec", f"pip: {line}", message)
        elif not requirement.specifier.contains(locked.version, prereleases=True):
            message = f"locked is {locked.version}"
            yield _finding(contents.platform, "spec", f"pip: {line}", message)


def _closure_findings(contents: _Contents) -> Iterator[LockFinding]:
    virtual = contents.lock.virtual_packages
    for item in contents.lock.packages:
        for name, query in item.dependencies.items():
            subject = f"{item.name} {item.version}"
            if is_virtual(name):
                if virtual and not (name in virtual and admits(query, virtual[name])):
                    message = f"it needs {name} {query}".strip() + ", which is not promised"
                    yield _finding(contents.platform, "closure", subject, message)
                continue
            found = contents.find(item.manager, name)
            needs = f"it needs {name} {query}".strip()
            if found is None:
                if item.manager is Manager.CONDA:
                    message = f"{needs}, which is not locked"
                    yield _finding(contents.platform, "closure", subject, message)
            elif not _fits(item.manager, query, found):
                message = f"{needs}, locked is {found.version}"
                yield _finding(contents.platform, "closure", subject, message)


def _fits(manager: Manager, query: str, found: LockedPackage) -> bool:
    if manager is Manager.CONDA:
        return admits(query, found.version)
    try:
        return SpecifierSet(query.replace("*", "") if query == "*" else query).contains(
            found.version, prereleases=True
        )
    except (InvalidSpecifier, InvalidVersion):
        # Poetry's own spellings, such as `^1.2 || ^2.0`.
        return True


def _surplus_findings(contents: _Contents, wanted: Requested) -> Iterator[LockFinding]:
    needed: set[tuple[Manager, str]] = set()
    waiting: list[LockedPackage] = [
        contents.conda[spec.name] for spec in wanted.specs if spec.name in contents.conda
    ]
    waiting += _of_names(contents, (parse_requirement(line).name for line in wanted.pip))
    while waiting:
        item = waiting.pop()
        if (item.manager, item.name) in needed:
            continue
        needed.add((item.manager, item.name))
        for name in item.dependencies:
            found = contents.find(item.manager, name)
            if found is not None:
                waiting.append(found)
    for item in contents.lock.packages:
        if (item.manager, item.name) not in needed:
            message = "it is locked, and nothing asks for it"
            yield _finding(contents.platform, "surplus", f"{item.name} {item.version}", message)


def _of_names(contents: _Contents, names: Iterable[str]) -> Sequence[LockedPackage]:
    return [contents.pip[name] for name in map(canonicalize_name, names) if name in contents.pip]


def _finding(platform: str, rule: str, subject: str, message: str) -> LockFinding:
    return LockFinding(platform=str(platform), rule=rule, subject=str(subject), message=message)
