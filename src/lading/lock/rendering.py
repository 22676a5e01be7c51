"""The bytes of a lockfile. Pure: records in, bytes out, the same on every run.

Source: conda-lock 4.0.3 `conda_solver.py` (what is kept of a record), `lockfile/__init__.py`
(categories), `lockfile/v1/models.py` (the format).
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import yaml

from lading.conda import (
    Platform,
    RepodataRecord,
    VirtualPackage,
    dependency_name,
    is_virtual,
    parse_matchspec,
)
from lading.errors import LockError, SpecError
from lading.lock.exchange import LockEntry, RequestedPackage
from lading.lock.model import VIRTUAL_PACKAGES_KEY

__all__ = [
    "LockContent",
    "conda_entries",
    "dump_document",
    "lock_document",
    "render_document",
    "render_lockfile",
]

FORMAT_VERSION = 1
MAIN = "main"

_HEADER = """\
# The lockfile of the environment {name} for {platform}, made by `lading lock`. Do not edit it.
#
#     lading install {name} -p {platform}
#     conda-lock install -p PREFIX {file}
#     micromamba create -p PREFIX -f {file}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockContent:
    """All that a lockfile says.

    Attributes:
        name: Of the environment.
        platform: Its only platform.
        file_name: The lockfile's own.
        channels: Canonical, in order of priority.
        sources: Relative to the directory of the lockfile, POSIX.
        content_hash: conda-lock's hash of the sources.
        entries: Locked packages, in any order.
        virtual_packages: What was expected of the target.
        metadata: Further things that lading keeps, keys sorted.
    """

    name: str
    platform: Platform
    file_name: str
    channels: tuple[str, ...]
    sources: tuple[str, ...]
    content_hash: str
    entries: tuple[LockEntry, ...]
    virtual_packages: tuple[VirtualPackage, ...]
    metadata: Mapping[str, str]


def conda_entries(
    records: Sequence[RepodataRecord], requested: Iterable[RequestedPackage]
) -> tuple[LockEntry, ...]:
    """The entries of solved records, in their order, with the categories that need them.

    Raises:
        LockError: A record lacks a digest that the format demands.
    """
    categories = _categories(records, requested)
    return tuple(_conda_entry(record, categories.get(record.name, set())) for record in records)


def render_lockfile(content: LockContent) -> bytes:
    """The lockfile: packages sorted by manager, then name; no time, no user, no absolute path."""
    return render_document(content, lock_document(content))


def render_document(content: LockContent, document: Mapping[str, object]) -> bytes:
    """The same of a document that is there already."""
    header = _HEADER.format(name=content.name, platform=content.platform, file=content.file_name)
    return header.encode() + dump_document(document)


def lock_document(content: LockContent) -> dict[str, object]:
    """What the YAML of the lockfile says."""
    return {
        "version": FORMAT_VERSION,
        "metadata": {
            "content_hash": {content.platform.value: content.content_hash},
            "channels": [{"url": channel, "used_env_vars": []} for channel in content.channels],
            "platforms": [content.platform.value],
            "sources": list(content.sources),
            "custom_metadata": {
                "lading-environment": content.name,
                VIRTUAL_PACKAGES_KEY: " ".join(map(str, sorted(content.virtual_packages))),
                **dict(sorted(content.metadata.items())),
            },
        },
        "package": [
            _package(entry, category, content.platform)
            for entry in sorted(content.entries, key=lambda item: (item.manager, item.name))
            # As conda-lock writes it: one entry for each optional category that needs it.
            for category in entry.categories
        ],
    }


def dump_document(document: Mapping[str, object]) -> bytes:
    """A YAML document: keys in the order given, one line a value, no aliases."""
    body: bytes = yaml.dump(
        document,
        Dumper=_PlainDumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        encoding="utf-8",
        width=10_000,
    )
    return body


class _PlainDumper(yaml.CSafeDumper):
    """Writes equal objects out, each time: an alias would depend on what is one object."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # PyYAML's signature
        """True: nothing is written as an alias."""
        return True


def _package(entry: LockEntry, category: str, platform: Platform) -> dict[str, object]:
    """One entry of `package`, keys in the order of the format."""
    hashes = {"md5": entry.md5, "sha256": entry.sha256}
    return {
        "name": entry.name,
        "version": entry.version,
        "manager": entry.manager,
        "platform": platform.value,
        "dependencies": dict(sorted(entry.dependencies.items())),
        "url": entry.url,
        "hash": {name: value for name, value in hashes.items() if value},
        "category": category,
        "optional": category != MAIN,
    }


def _conda_entry(record: RepodataRecord, categories: set[str]) -> LockEntry:
    if record.sha256 is None or record.md5 is None:
        missing = "sha256" if record.sha256 is None else "md5"
        raise LockError(
            f"the channel does not say the {missing} of {record.file_name}",
            hint="ask the channel's maintainer for it, or exclude this build",
        )
    return LockEntry(
        name=record.name,
        version=record.version,
        manager="conda",
        url=record.url,
        sha256=record.sha256.hex,
        md5=record.md5.hex,
        dependencies=_dependencies(record),
        categories=(MAIN,) if MAIN in categories or not categories else tuple(sorted(categories)),
    )


def _dependencies(record: RepodataRecord) -> dict[str, str]:
    """Name → version constraint; several on one name are joined, builds are not kept."""
    constraints: dict[str, list[str]] = {}
    for text in record.depends:
        constraints.setdefault(dependency_name(text), []).append(_constraint(text))
    return {name: _joined(found) for name, found in sorted(constraints.items())}


@cache
def _constraint(text: str) -> str:
    """The version part of a dependency; kept, since many packages write the same."""
    try:
        version = parse_matchspec(text).version
    except SpecError:
        # What a channel writes and we do not read is kept as it stands.
        return "".join(text.split()[1:2])
    return version.removeprefix("==") if version.count("=") == len("==") else version


def _joined(constraints: Sequence[str]) -> str:
    """One constraint that says what all of them say; `,` binds closer than `|`."""
    distinct = sorted({text for text in constraints if text})
    if len(distinct) == 1 and "|" not in distinct[0]:
        return distinct[0]
    alternatives = itertools.product(*(text.split("|") for text in distinct))
    return "|".join(",".join(dict.fromkeys(terms)) for terms in alternatives)


def _categories(
    records: Sequence[RepodataRecord], requested: Iterable[RequestedPackage]
) -> dict[str, set[str]]:
    """Name → the categories of the requests that need it, directly or through others."""
    needs = {record.name: {dependency_name(text) for text in record.depends} for record in records}
    result: dict[str, set[str]] = {name: set() for name in needs}
    for request in requested:
        waiting = [dependency_name(request.name)]
        while waiting:
            name = waiting.pop()
            if is_virtual(name) or name not in needs or request.category in result[name]:
                continue
            result[name].add(request.category)
            waiting.extend(needs[name])
    return result
