"""Would a pip package overwrite what a conda package brings?

pip packages are installed over the conda packages, and so the last of two that bring one file wins
without a word. Names tell some of it (`lading.lock.pip`); this module compares the files. It is
told of them by whoever can read archives; an archive that cannot be read is passed over and named:
the installation compares again what really lies there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from lading.errors import SpecError
from lading.lock.dependency_graph import LockGraph, node_of
from lading.lock.environment_file import read_environment
from lading.lock.model import LockedPackage, Lockfile
from lading.lock.wanted import FOREIGN, parse_requirement, read_requested
from lading.package import ArchiveFiles, Unread

__all__ = ["ListFiles", "refuse_file_conflicts"]

PYTHON = "python"


ListFiles = Callable[[Sequence[LockedPackage]], Mapping[str, ArchiveFiles | Unread]]
"""The files of packages, by the hexadecimal SHA-256 of their archives."""


def refuse_file_conflicts(
    lock: Lockfile, sources: Sequence[Path], list_files: ListFiles
) -> tuple[str, ...]:
    """Refuse a lock of which a pip package overwrites a file of a conda package.

    Args:
        lock: What is to be installed.
        sources: Absolute; the line to delete stands in one of them.
        list_files: Knows what is in archives.

    Returns:
        `file name: reason` of each archive that could not be looked into, sorted.

    Raises:
        SpecError: There is one; the hint has the line to delete.
    """
    if not lock.pip:
        return ()
    wheels = list_files(lock.pip)
    conda = list_files(_candidates(lock, wheels))
    known = {**wheels, **conda}
    site_packages = _site_packages(lock, conda)
    contested: dict[str, LockedPackage] = {}
    for item in lock.pip:
        contested |= dict.fromkeys(_paths(wheels.get(item.sha256.hex), site_packages), item)
    for item in lock.conda:
        for path in _paths(conda.get(item.sha256.hex), site_packages):
            if path in contested and not path.endswith(".pyc"):
                raise _refusal(lock, sources, contested[path], item, path)
    return tuple(
        sorted(
            f"{item.file_name}: {found.reason}"
            for item in lock.packages
            if isinstance(found := known.get(item.sha256.hex), Unread)
        )
    )


def _candidates(
    lock: Lockfile, wheels: Mapping[str, ArchiveFiles | Unread]
) -> Sequence[LockedPackage]:
    """The conda packages that may have a file of a wheel.

    Below site-packages there are only files of what needs python; in `bin/` there may be any.
    """
    if any(isinstance(item, ArchiveFiles) and item.paths for item in wheels.values()):
        return lock.conda
    return [item for item in lock.conda if item.name == PYTHON or PYTHON in item.dependencies]


def _site_packages(lock: Lockfile, lists: Mapping[str, ArchiveFiles | Unread]) -> str:
    if lock.platform.is_windows:
        return "Lib/site-packages"
    for item in lock.conda:
        if item.name == PYTHON:
            found = lists.get(item.sha256.hex)
            said = found.site_packages if isinstance(found, ArchiveFiles) else ""
            return said or f"lib/python{'.'.join(item.version.split('.')[:2])}/site-packages"
    return ""


def _paths(found: ArchiveFiles | Unread | None, site_packages: str) -> Iterator[str]:
    if isinstance(found, ArchiveFiles):
        yield from found.paths
        for path in found.site_paths:
            yield f"{site_packages}/{path}"


def _refusal(
    lock: Lockfile, sources: Sequence[Path], pip: LockedPackage, conda: LockedPackage, path: str
) -> SpecError:
    return SpecError(
        f"the pip package {pip.name} {pip.version} overwrites {path} of the conda package"
        f" {conda.name} {conda.version}",
        hint=_line_to_delete(lock, sources, pip),
    )


def _line_to_delete(lock: Lockfile, sources: Sequence[Path], package: LockedPackage) -> str:
    """What to do about `package`: the line of a source that brings it."""
    elsewhere = f"delete {package.name} from the pip packages of the sources"
    if any(source.name in FOREIGN for source in sources):
        return elsewhere
    needs = LockGraph(lock, read_requested(sources, lock.platform))
    for chain in needs.needs.shortest_chains(node_of(package)):
        for source in sources:
            for line in read_environment(source, lock.platform).pip:
                if f"pip:{canonicalize_name(parse_requirement(line).name)}" == chain[0]:
                    brought = "" if len(chain) == 1 else f", which brings {package.name}"
                    return f"delete `- {line}` below `pip:` in {source.name}{brought}"
    return elsewhere
