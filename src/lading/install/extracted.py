"""Extracted packages: found in a package cache, compared with their archives, removed.

1. What an extracted package says of itself counts only where its archive says the same.
2. Every file that has a digest there is hashed, once: see `lading.install.known_state`.
3. What belongs to another user is damaged: its owner could change it later. Directories that a
   group may write to, because engines extract by the umask, are closed first.
"""

import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from msgspec.structs import replace

from lading.conda import PathType
from lading.errors import ArchiveError
from lading.install.known_state import KnownState, State, state_at, state_of
from lading.install.layout import BuildTree
from lading.package import INFO_FILES, PathEntry, read_info, read_package_info
from lading.system import (
    Digest,
    is_trusted_owner,
    read_regular,
    reason_to_distrust,
    remove_tree,
    sha256_of_stream,
)

WORKERS = 8
BESIDE_EXTRACTED = (".conda", ".tar.bz2", ".lock")


def with_private_cache(tree: BuildTree) -> BuildTree:
    """`tree`, in which a package cache that other users may write to is a layer, only read.

    Packages that lie extracted in such a cache could be changed at any time, together with their
    own lists of digests; its archives are known by digests of the lock.
    """
    cache = tree.package_cache_override
    if cache is None or not cache.exists() or not reason_to_distrust(cache.resolve()):
        return tree
    return replace(tree, package_cache_override=None, layers=(cache, *tree.layers))


def damaged_packages(
    extracted: Mapping[str, Path],
    archives: Mapping[str, Path],
    known: Mapping[str, KnownState] | None = None,
    workers: int = WORKERS,
) -> dict[str, str]:
    """Compare every extracted file with the `info/` of its archive; return the fault of each.

    Packages are known by their distribution string. Where one was found sound, its state is kept as
    `known` says. Those that are whole have no fault.
    """
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="verify") as pool:
        faults = pool.map(
            lambda name: _fault_of_package(
                extracted[name], archives[name], known.get(name) if known else None
            ),
            extracted,
        )
        return {name: fault for name, fault in zip(extracted, faults, strict=True) if fault}


def damaged_error(distribution: str, fault: str) -> ArchiveError:
    """The error of a package whose files are not those that it lists."""
    return ArchiveError(
        f"{distribution} is not what its own list says: {fault}",
        hint="the package is broken: take another build of it, and lock again",
        details=(f"{distribution}: {fault}",),
    )


def _fault_of_package(directory: Path, archive: Path, known: KnownState | None) -> str:
    if known is not None and known.is_of(directory):
        return ""
    began = time.time_ns()
    states: dict[str, State] = {}
    try:
        fault = _fault_of_info(directory, archive, states)
        if fault:
            return fault
        paths = read_package_info(directory).paths
        _close_directories(directory, paths, states)
    except (ArchiveError, OSError) as error:
        return str(error)
    fault = next((fault for entry in paths if (fault := _fault(directory, entry, states))), "")
    if known is not None and not fault:
        known.keep(directory, states, began)
    return fault


def _fault_of_info(directory: Path, archive: Path, states: dict[str, State]) -> str:
    """What the extracted package says of itself in other words than its archive, or empty."""
    with archive.open("rb") as stream:
        packed = read_info(archive.name, stream)
    for name in INFO_FILES:
        states[f"info/{name}"] = state_at(f"{directory}/info/{name}")
        try:
            found = read_regular(directory / "info" / name)
        except FileNotFoundError:
            found = None
        if found != packed.get(name):
            return f"info/{name} is not that of its archive"
    return ""


def _close_directories(
    directory: Path, paths: Sequence[PathEntry], states: dict[str, State]
) -> None:
    """Forbid other users to write into an extracted package: engines extract by the umask."""
    names = {entry.path.rpartition("/")[0] for entry in paths}
    for name in [*names]:
        names.update(str(parent) for parent in PurePosixPath(name).parents)
    for name in names:
        path = directory / name
        if not stat.S_ISDIR(path.lstat().st_mode):
            continue
        if reason := reason_to_distrust(path):
            if not is_trusted_owner(path.lstat()):
                raise PermissionError(f"{path}: {reason}")
            path.chmod(0o755)
        states[name] = state_of(path.lstat())


def _fault(directory: Path, entry: PathEntry, states: dict[str, State]) -> str:
    """What is wrong with one path of an extracted package, or empty."""
    # Text, and one look: there are tens of thousands.
    path = f"{directory}/{entry.path}"
    try:
        status = os.lstat(path)
        states[entry.path] = state_of(status)
        if not is_trusted_owner(status):
            fault = "belongs to another user"
        elif entry.type is PathType.DIRECTORY:
            fault = "" if os.path.isdir(path) else "is not a directory"  # noqa: PTH112  # as above
        elif entry.type is PathType.HARDLINK:
            fault = _fault_of_file(path, status, entry)
        else:
            # A soft link has no digest of its own.
            fault = ""
    except FileNotFoundError:
        fault = "is missing"
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    return f"{entry.path} {fault}" if fault else ""


def _fault_of_file(path: str, status: os.stat_result, entry: PathEntry) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if entry.size is not None and status.st_size != entry.size:
        return "has another size"
    if entry.sha256 is not None and _digest_at(path) != entry.sha256:
        return "has another digest"
    return ""


def _digest_at(path: str) -> Digest:
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123  # as above
        return sha256_of_stream(stream)


def find_extracted(package_cache: Path) -> Iterator[Path]:
    """Yield each extracted package; one that lacks its `info/` is known by what lies beside it.

    micromamba since 2.6 keeps packages below directories such as `https/HOST/PATH/`.
    """
    for root, names, files in os.walk(package_cache):
        beside = set(files)
        for name in sorted(names):
            path = Path(root, name)
            if not path.is_symlink() and (
                (path / "info").is_dir() or any(name + end in beside for end in BESIDE_EXTRACTED)
            ):
                names.remove(name)
                yield path


def remove_extracted(directory: Path, package_cache: Path) -> None:
    """Remove an extracted package from the cache, so that its archive is extracted again."""
    if not directory.resolve().is_relative_to(package_cache.resolve()):
        raise ArchiveError(
            f"{directory} is damaged, and lies outside of the package cache",
            hint="let --pkgs-dir name a directory that belongs to this build",
        )
    remove_tree(directory)
