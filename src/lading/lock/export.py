"""A lock in the forms that other tools read. Pure: lockfiles in, text out.

Source: CEP 23 (explicit lockfiles), CEP 24 (environment.yml), CEP 37 (conda-lock.yml), PEP 508 and
pip's `--require-hashes` (requirements).
"""

from collections.abc import Sequence

from lading.errors import LockError
from lading.graph import topological_order
from lading.lock.model import (
    CATEGORY_KEY,
    ENVIRONMENT_KEY,
    SPECS_KEY,
    VARIABLE_KEY,
    VIRTUAL_PACKAGES_KEY,
    LockedPackage,
    Lockfile,
)
from lading.lock.rendering import document_of, dump_document


def export_explicit(lock: Lockfile) -> str:
    """An explicit lockfile: one archive a line, dependencies first, each with its SHA-256."""
    records = topological_order(item.to_record() for item in lock.conda)
    digests = {item.url: item.sha256.hex for item in lock.conda}
    lines = [f"# platform: {lock.platform}", "@EXPLICIT"]
    lines += [f"{record.url}#sha256:{digests[record.url]}" for record in records]
    return "\n".join(lines) + "\n"


def export_environment_yml(lock: Lockfile, name: str) -> str:
    """An environment file in which every package is pinned to its version and build."""
    dependencies: list[object] = [
        f"{item.name}={item.version}" + (f"={item.build}" if item.build else "")
        for item in lock.conda
    ]
    if lock.pip:
        dependencies.append({"pip": [_requirement(item) for item in lock.pip]})
    document: dict[str, object] = {
        "name": name,
        "channels": [*lock.channels, "nodefaults"],
        "platforms": [lock.platform.value],
        "dependencies": dependencies,
    }
    if lock.variables:
        document["variables"] = dict(lock.variables)
    return dump_document(document).decode()


def export_requirements(lock: Lockfile) -> str:
    """The pip part for `pip install --require-hashes --no-deps -r`.

    Raises:
        LockError: There is no pip part.
    """
    pip = lock.require_pip()
    lines = [f"{_requirement(item)} \\\n    --hash=sha256:{item.sha256.hex}" for item in pip]
    return "\n".join(lines) + "\n"


def export_unified(locks: Sequence[Lockfile], name: str, sources: Sequence[str]) -> bytes:
    """One conda-lock.yml for all platforms.

    `locks` are of one environment, each of another platform, at least one. `sources` are relative
    to the file that is made.

    Raises:
        LockError: They were locked from different channels.
    """
    channels = {lock.channels for lock in locks}
    if len(channels) > 1:
        raise LockError(
            "the platforms were locked from different channels", hint="lock them again, together"
        )
    custom = {ENVIRONMENT_KEY: name}
    for lock in locks:
        targets = lock.metadata.get(VIRTUAL_PACKAGES_KEY, "")
        custom[f"{VIRTUAL_PACKAGES_KEY}-{lock.platform}"] = targets
        if SPECS_KEY in lock.metadata:
            custom[f"{SPECS_KEY}-{lock.platform}"] = lock.metadata[SPECS_KEY]
        custom |= {f"{VARIABLE_KEY}{key}": value for key, value in lock.variables.items()}
        for category, nodes in lock.asked_for.items():
            key = f"{CATEGORY_KEY}{category}"
            custom[key] = " ".join(sorted({*custom.get(key, "").split(), *nodes}))
    document = document_of(
        content_hash={lock.platform.value: lock.content_hash for lock in locks},
        channels=locks[0].channels,
        sources=sources,
        custom=custom,
        packages=[(item, lock.platform) for lock in locks for item in lock.packages],
    )
    return dump_document(document)


def _requirement(item: LockedPackage) -> str:
    return f"{item.name} @ {item.url.partition('#')[0]}"
