"""The bytes of a lockfile. Pure: the same records give the same bytes.

Source: conda-lock 4.0.3 `conda_solver.py` (what is kept of a record), `lockfile/__init__.py`
(categories), `lockfile/v1/models.py` (the format).
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import yaml

from lading.conda import Platform, RepodataRecord, dependency_name, parse_matchspec
from lading.errors import LockError, SpecError
from lading.graph import dependencies_of, reachable
from lading.lock.model import FORMAT_VERSION, LOCK_SUFFIX, MAIN, LockedPackage, Manager

_HEADER = """\
# The lockfile of the environment {name} for {platform}, made by `lading lock`. Do not edit it.
#
#     lading install {name} -p {platform}
#     conda-lock install -p PREFIX {file}
#     micromamba create -p PREFIX -f {file}
"""


def locked_packages(
    records: Sequence[RepodataRecord], categories: Mapping[str, Iterable[str]]
) -> tuple[LockedPackage, ...]:
    """Solved records as locked packages, in their order, with the categories that need them.

    `categories`: category → the packages asked for in it.
    """
    dependencies = dependencies_of(records)
    needed = {
        category: reachable(dependencies, map(dependency_name, names))
        for category, names in sorted(categories.items())
    }
    return tuple(
        _locked_package(record, [name for name, found in needed.items() if record.name in found])
        for record in records
    )


def document_of(
    *,
    content_hash: Mapping[str, str],
    channels: Iterable[str],
    sources: Iterable[str],
    custom: Mapping[str, str],
    packages: Iterable[tuple[LockedPackage, Platform]],
) -> dict[str, object]:
    """A document of the v1 format, keys in its order; no time, no user, no absolute path.

    Args:
        content_hash: Platform → conda-lock's hash of the sources; names the platforms.
        channels: In order of priority.
        sources: As they are written.
        custom: Metadata of lading's own.
        packages: Each with a platform that it is locked for, in any order.
    """
    return {
        "version": FORMAT_VERSION,
        "metadata": {
            "content_hash": dict(content_hash),
            "channels": [{"url": url, "used_env_vars": []} for url in channels],
            "platforms": list(content_hash),
            "sources": list(sources),
            "custom_metadata": dict(custom),
        },
        "package": [
            entry
            for item, platform in sorted(
                packages, key=lambda it: (it[0].manager, it[0].name, it[1])
            )
            for entry in package_entries(item, platform)
        ],
    }


def package_entries(item: LockedPackage, platform: Platform) -> list[dict[str, object]]:
    """The entries of a package, as conda-lock writes them: one for each optional category."""
    digests = {"md5": item.md5, "sha256": item.sha256}
    return [
        {
            "name": item.name,
            "version": item.version,
            "manager": item.manager.value,
            "platform": platform.value,
            "dependencies": dict(sorted(item.dependencies.items())),
            "url": item.url,
            "hash": {name: digest.hex for name, digest in digests.items() if digest},
            "category": category,
            "optional": category != MAIN,
        }
        for category in item.categories
    ]


def dump_lockfile(document: Mapping[str, object], name: str, platform: Platform) -> bytes:
    """The lockfile of `document`: how to install the environment `name`, then the YAML."""
    file_name = f"{platform}{LOCK_SUFFIX}"
    header = _HEADER.format(name=name, platform=platform, file=file_name)
    return header.encode() + dump_document(document)


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


def _locked_package(record: RepodataRecord, categories: Sequence[str]) -> LockedPackage:
    if record.sha256 is None or record.md5 is None:
        missing = "sha256" if record.sha256 is None else "md5"
        raise LockError(
            f"the channel does not say the {missing} of {record.file_name}",
            hint="ask the channel's maintainer for it, or exclude this build",
        )
    return LockedPackage(
        name=record.name,
        version=record.version,
        manager=Manager.CONDA,
        url=record.url,
        sha256=record.sha256,
        md5=record.md5,
        dependencies=_dependencies(record),
        categories=(MAIN,) if MAIN in categories or not categories else tuple(categories),
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
