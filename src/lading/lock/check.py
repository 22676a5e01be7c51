"""Check that a lockfile still satisfies its environment files; without a solver or network.

Each rule is a function from a lock and its sources to what is wrong (`_RULES`): channels and
virtual packages are those it was locked for, every requested spec is satisfied, every dependency
of every package is locked in a version that fits, nothing is locked that nothing needs. Findings
are data; errors are raised for files that cannot be read.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from lading.conda import (
    Platform,
    VirtualPackage,
    canonical_channel,
    channel_urls,
    is_virtual,
)
from lading.engine import Present, admits, counts_in, present_packages, satisfies
from lading.graph import reachable
from lading.lock.build_source import tree_source
from lading.lock.categories import categories_of
from lading.lock.dependency_graph import LockGraph, node_of
from lading.lock.model import (
    MAIN,
    LockedPackage,
    Lockfile,
    Manager,
    lock_path,
    require_environment_name,
)
from lading.lock.project_files import FilesRequest, lock_files
from lading.lock.reading import read_lockfile
from lading.lock.requested import Requested
from lading.lock.requirement import applies, parse_requirement, requirement_name
from lading.lock.revisions import locked_platforms
from lading.lock.side_list import built_wheels, locked_files
from lading.lock.virtual_packages import targeted_virtual_packages
from lading.system import sha256_of_file

UNLOCKED = "it is not locked"
SURPLUS = "it is locked, and nothing asks for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Check the lockfiles of one environment.

    Attributes:
        directory: The project: absolute, holds `locks/`.
        requested: Platform → what its sources ask for; at least one.
        channels: Names or URLs that replace those of the sources; empty keeps theirs.
        virtual_packages: Platform → name → version, in addition to or instead of its defaults.
        all_platforms: Whether no other platform may be locked.
        group: Other environments, which must have the same versions.
        files: Files of the project that the settings ask for.
        environment: For git, which knows what belongs to a source tree.
    """

    name: str
    directory: Path
    requested: Mapping[Platform, Requested]
    channels: tuple[str, ...] = ()
    virtual_packages: Mapping[Platform, Mapping[str, str]] = field(default_factory=dict)
    all_platforms: bool = False
    group: tuple[str, ...] = ()
    files: tuple[FilesRequest, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse a name that leads elsewhere."""
        require_environment_name(self.name)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LockFinding:
    """A way in which a lock does not satisfy its sources.

    Attributes:
        rule: `platform`, `spec`, `own`, `closure`, `channels`, `virtual`, `surplus`, `category`,
            `group` or `hash`.
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
        packages: How many locked packages were looked at.
        findings: Empty where the lock is fresh.
    """

    name: str
    platforms: tuple[Platform, ...]
    packages: int
    findings: tuple[LockFinding, ...]

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def check_lock(request: CheckRequest) -> LockReport:
    """Compare the lockfiles of an environment with what its sources ask for.

    Raises:
        LockError: A lockfile cannot be read.
        SpecError: A pip requirement cannot be read.
    """
    findings: list[LockFinding] = []
    packages = 0
    locked = locked_platforms(request.directory, request.name)
    for platform, requested in request.requested.items():
        if platform not in locked:
            findings.append(_finding(platform, "platform", platform.value, UNLOCKED))
            continue
        lock = read_lockfile(lock_path(request.directory, request.name, platform), platform)
        packages += len(lock.packages)
        case = _Case(request=request, lock=lock, requested=requested)
        findings += (
            _finding(platform, name, subject, message)
            for name, rule in _RULES
            for subject, message in rule(case)
        )
    if request.all_platforms:
        findings += [
            _finding(platform, "platform", platform.value, SURPLUS)
            for platform in locked
            if platform not in request.requested
        ]
    return LockReport(
        name=request.name,
        platforms=tuple(request.requested),
        packages=packages,
        findings=tuple(findings),
    )


class _Case:
    """One lockfile and what is asked for."""

    def __init__(self, *, request: CheckRequest, lock: Lockfile, requested: Requested) -> None:
        self.request = request
        self.lock = lock
        self.requested = requested
        self.graph = LockGraph(lock, requested)

    @property
    def virtual_packages(self) -> dict[str, str]:
        """Name → version of what the lock is to target."""
        overrides = self.request.virtual_packages
        found = targeted_virtual_packages(self.lock.platform, overrides)
        return {item.name: item.version for item in found}

    @cached_property
    def present(self) -> Mapping[str, Present]:
        """What the conditions of requests may ask for."""
        virtual = itertools.starmap(VirtualPackage, self.virtual_packages.items())
        return present_packages((item.to_record() for item in self.lock.conda), virtual)

    @property
    def requirements(self) -> Iterator[tuple[str, Requirement]]:
        """The pip requirements that apply to the platform, each with its line."""
        python = self.graph.packages.get("python")
        version = python.version if python is not None else ""
        for line in self.requested.pip:
            requirement = parse_requirement(line)
            if applies(requirement, self.lock.platform, version):
                yield line, requirement


Findings = Iterator[tuple[str, str]]
"""(subject, message) of each."""


def _urls(case: _Case, names: Sequence[str]) -> tuple[str, ...]:
    root = case.request.directory
    return tuple(
        url for name in names for url in channel_urls(name, case.lock.platform, root, root)
    )


def _channels(case: _Case) -> Findings:
    replaced = _urls(case, case.request.channels)
    channels = replaced or case.requested.channels
    locked = _urls(case, case.lock.channels)
    if channels != locked:
        message = f"asked for are {', '.join(channels)}; locked from {', '.join(locked)}"
        yield "channels", message


def _virtual_packages(case: _Case) -> Findings:
    targeted, locked = case.virtual_packages, case.lock.virtual_packages
    for name in sorted(targeted.keys() | locked.keys()) if locked else ():
        now, then = targeted.get(name, "none"), locked.get(name, "none")
        if now != then:
            yield name, f"asked for is {now}, the lock targets {then}"


def _content_hash(case: _Case) -> Findings:
    expected = case.requested.content_hash
    if expected and expected != case.lock.content_hash:
        yield "content_hash", "the sources ask for something else than when it was locked"


def _specs(case: _Case) -> Findings:
    for spec in case.requested.specs:
        if spec.when and not counts_in(spec, case.present):
            continue
        locked = case.graph.packages.get(spec.name)
        if locked is None:
            yield spec.text, UNLOCKED
            continue
        record = locked.to_record()
        # Archives may lie outside of their channel (CEP 15); then the lock does not tell it.
        known = record.channel in case.lock.channels
        channel = record.channel if known else canonical_channel(spec.channel)
        if not satisfies(spec, record.version, record.build, channel):
            yield spec.text, f"locked is {locked.version} {record.build} of {record.channel}"


def _fields(case: _Case) -> Findings:
    """Extras, flags and the like: a lock does not tell whether its packages have them."""
    now, then = set(case.requested.specs_with_fields), set(case.lock.specs_with_fields)
    yield from ((text, "it was not asked for when it was locked") for text in sorted(now - then))
    yield from ((text, "it was asked for when it was locked") for text in sorted(then - now))


def _requirements(case: _Case) -> Findings:
    for line, requirement in case.requirements:
        locked = case.graph.packages.get(f"pip:{requirement_name(line)}")
        if locked is None:
            yield f"pip: {line}", UNLOCKED
        elif requirement.url is not None:
            if requirement.url.partition("#")[0] != locked.url.partition("#")[0]:
                yield f"pip: {line}", f"locked is {locked.url}"
        elif not requirement.specifier.contains(locked.version, prereleases=True):
            yield f"pip: {line}", f"locked is {locked.version}"
        elif "--hash" in line and locked.sha256.hex not in line.lower():
            yield f"pip: {line}", f"locked is {locked.sha256}"


def _own_code(case: _Case) -> Findings:
    """Wheels and source trees of the project that are not those of the lock."""
    project = case.request.directory
    for package in case.requested.own:
        locked = case.graph.packages.get(f"pip:{package.name}")
        if locked is None:
            yield f"pip: {package.written}", UNLOCKED
        elif package.is_wheel:
            if sha256_of_file(package.path) != locked.sha256:
                yield package.name, f"{package.path.name} is not the wheel that is locked"
        else:
            source = tree_source(package.name, package.path, project, case.request.environment)
            built = built_wheels(case.lock).get(package.name)
            if built is None or not built.is_of(source.said, source.sha256):
                yield package.name, f"the sources of {package.name} changed ({source.said})"


def _project_files(case: _Case) -> Findings:
    locked = {item.target: item for item in locked_files(case.lock)}
    wanted = {item.target: item for item in lock_files(case.request.files, case.request.directory)}
    for target in sorted(locked.keys() | wanted.keys()):
        now, then = wanted.get(target), locked.get(target)
        if now is None:
            yield target, SURPLUS
        elif then is None or then.source != now.source:
            yield target, UNLOCKED
        elif then.sha256 != now.sha256:
            yield target, f"the files in {now.source} changed"


def _closure(case: _Case) -> Findings:
    for item in case.lock.packages:
        for name, query in item.dependencies.items():
            problem = _unmet(case, item, name, query)
            if problem:
                message = f"it needs {name} {query}".strip() + f", {problem}"
                yield f"{item.name} {item.version}", message


def _unmet(case: _Case, item: LockedPackage, name: str, query: str) -> str:
    """What is wrong with a dependency of `item`, or empty."""
    if is_virtual(name):
        known = case.lock.virtual_packages
        is_met = not known or (name in known and admits(query, known[name]))
        return "" if is_met else f"the lock targets {known.get(name, 'none')}"
    found = case.graph.packages.get(case.graph.target(item, name))
    if found is None:
        # What a pip package needs may be part of python, or behind a marker.
        return "which is not locked" if item.manager is Manager.CONDA else ""
    return "" if _fits(item.manager, query, found.version) else f"locked is {found.version}"


def _fits(manager: Manager, query: str, version: str) -> bool:
    if manager is Manager.CONDA:
        return admits(query, version)
    try:
        return SpecifierSet("" if query == "*" else query).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        # Poetry's own spellings, such as `^1.2 || ^2.0`.
        return True


def _surplus(case: _Case) -> Findings:
    graph = case.graph.graph
    needed = reachable(graph.dependencies, graph.roots)
    for node, item in case.graph.packages.items():
        if node not in needed:
            yield f"{item.name} {item.version}", SURPLUS


def _categories(case: _Case) -> Findings:
    asked, locked = case.requested.optional, case.lock.asked_for
    if not locked:
        # Another tool wrote the lock, or there are none.
        locked = {name: asked.get(name, ()) for name in categories_of(case.lock) if name != MAIN}
    for name in sorted(asked.keys() | locked.keys()):
        now, then = (
            {node for node in table.get(name, ()) if not node.startswith("pip:")}
            for table in (asked, locked)
        )
        for node in sorted(now ^ then):
            is_not = "is" if node in then else "is not"
            yield node, f"it {is_not} locked in the category {name}"


def _group(case: _Case) -> Findings:
    for other in case.request.group:
        path = lock_path(case.request.directory, other, case.lock.platform)
        if not path.is_file():
            continue
        found = {node_of(item): item for item in read_lockfile(path, case.lock.platform).packages}
        for node, item in case.graph.packages.items():
            if node in found and found[node].url != item.url:
                message = f"{other}, of the same solve-group, has {found[node].version}"
                yield f"{item.name} {item.version}", message


_RULES: tuple[tuple[str, Callable[[_Case], Findings]], ...] = (
    ("channels", _channels),
    ("virtual", _virtual_packages),
    ("hash", _content_hash),
    ("spec", _specs),
    ("spec", _fields),
    ("spec", _requirements),
    ("own", _own_code),
    ("own", _project_files),
    ("closure", _closure),
    ("surplus", _surplus),
    ("category", _categories),
    ("group", _group),
)


def _finding(platform: Platform, rule: str, subject: str, message: str) -> LockFinding:
    return LockFinding(platform=platform.value, rule=rule, subject=subject, message=message)
