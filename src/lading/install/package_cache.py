"""The package cache: private, with read-only layers below it, and never trusted.

1. An archive is known by its sha256, wherever it lies. In the cache itself it is hashed once, and
   again only when it changed: see `lading.install.known_state`.
2. An extracted package is compared, file by file, with the `info/` of its archive.
3. Packages are extracted and linked only where no other user may write. A package cache that others
   may write to counts as a layer.
4. Layers, such as a cache that many share, are read and never written, and only their archives are
   read. An archive that others may write to is copied before it is used.
"""

import hashlib
import logging
import stat
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from lading.conda import IN_PROJECT, MirrorMap
from lading.errors import LockError, PrefixError
from lading.install.extracted import find_extracted, with_private_cache
from lading.install.known_state import places_of_states, state_at
from lading.install.layout import WHEELS, BuildTree
from lading.install.plan import InstallPlan
from lading.lock import WheelBuilder, rebuild_wheel
from lading.net import Download, Network, fetch_all
from lading.system import (
    CHUNK_BYTES,
    Digest,
    Progress,
    hold_lock,
    is_trusted_owner,
    make_untracked,
    no_progress,
    open_regular,
    reason_to_distrust,
    remove_tree,
    sha256_of_file,
    temporary_file,
)

WORKERS = 8
LOCK_NAME = ".lading.lock"

MARKER_NAME = ".package-cache-of-lading"
"""A file in a directory that held nothing before lading used it as a package cache."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archives:
    """Archives on this machine, their digests checked.

    Attributes:
        conda: Distribution string → archive, absolute.
        wheels: File name → wheel, absolute.
    """

    conda: Mapping[str, Path]
    wheels: Mapping[str, Path]


def fetch_archives(
    plan: InstallPlan,
    tree: BuildTree,
    inherited: Mapping[str, str],
    progress: Progress = no_progress,
) -> Archives:
    """Fetch what `plan` needs and no layer has; return where everything lies.

    What a layer has with the right digest is read from there, and not fetched.

    `inherited` are the caller's environment variables, which may name proxies and certificates.

    Raises:
        FetchError: An archive or a wheel could not be fetched.
        DigestMismatchError: It has other bytes than the lock promises.
    """
    tree = with_private_cache(tree)
    prepare_cache(tree)
    located = locate_archives(plan.downloads, tree.layers)
    wanted = [item for item in plan.downloads if item.target not in located]
    _rebuild_missing(plan, tree, {item.target for item in wanted}, inherited)
    known = places_of_states(tree.checked, {item: f"{item.digest.hex}.archive" for item in wanted})
    unknown = [item for item in wanted if item not in known or not known[item].is_of(item.target)]
    began = time.time_ns()
    if unknown:
        network = Network(environment=inherited, offline=plan.offline)
        fetch_all(unknown, plan.mirrors, progress, network)
    for item in unknown:
        if item in known:
            known[item].keep(item.target, {"": state_at(str(item.target))}, began)
    conda = {item.distribution: tree.package_cache / item.file_name for item in plan.conda}
    wheels = {item.file_name: tree.wheel_cache / item.file_name for item in plan.wheels}
    return Archives(
        conda={name: located.get(target, target) for name, target in conda.items()},
        wheels={name: located.get(target, target) for name, target in wheels.items()},
    )


def wheel_builder(
    tree: BuildTree,
    inherited: Mapping[str, str],
    mirrors: MirrorMap,
    indexes: Mapping[str, str] | None = None,
    *,
    offline: bool = False,
) -> WheelBuilder:
    """What builds the wheels of a project's own code.

    `indexes` are variables for uv that name package indexes.
    """
    return WheelBuilder(
        store=tree.built_wheels,
        state=tree.state,
        inherited=inherited,
        mirrors=mirrors,
        indexes=indexes or {},
        offline=offline,
    )


def _rebuild_missing(
    plan: InstallPlan, tree: BuildTree, wanted: Collection[Path], inherited: Mapping[str, str]
) -> None:
    """Build wheels of the project's own code again that lie nowhere on this machine."""
    mirrors = plan.mirrors
    builder = wheel_builder(tree, inherited, mirrors, plan.indexes, offline=plan.offline)
    for item in plan.wheels:
        target = tree.wheel_cache / item.file_name
        is_here = mirrors.locations(item.url)[0].startswith(f"{mirrors.project}/")
        is_cached = target.is_file() and sha256_of_file(target) == item.sha256
        if item.url.startswith(IN_PROJECT) and target in wanted and is_here and not is_cached:
            rebuild_wheel(item, plan.lockfile, tree.root, builder)


def prepare_cache(tree: BuildTree) -> None:
    """Create the package cache where it is missing; mark it, if nothing else was in it before."""
    make_untracked(tree.state)
    directory = tree.package_cache
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Whatever the umask: nobody else may write to it.
    directory.mkdir(mode=0o755, exist_ok=True)
    if not {path.name for path in directory.iterdir()} - {WHEELS, LOCK_NAME}:
        (directory / MARKER_NAME).touch()
    reason = reason_to_distrust(directory.resolve())
    if not reason:
        return
    if not is_trusted_owner(directory.stat()):
        raise PrefixError(
            f"the package cache {directory} cannot be trusted: {reason}",
            hint="name a directory of your own with --pkgs-dir, and this one with --pkgs-layer",
        )
    _log.warning("%s is closed to other users: %s", directory, reason)
    with shared_cache(directory, alone=True):
        directory.chmod(0o755)
        for path in find_extracted(directory):
            remove_tree(path)


def locate_archives(downloads: Sequence[Download], layers: Sequence[Path]) -> dict[Path, Path]:
    """Find target of a download → its place in a layer, for each that is not at its target yet.

    What lies where other users may write is copied to its target, and hashed on the way.

    The first of `layers` that has an archive gives it.
    """
    if not layers:
        return {}
    wanted = [item for item in downloads if not item.target.is_file()]
    with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="layer") as pool:
        found = pool.map(lambda item: _find_in_layers(item, layers), wanted)
        pairs = zip(wanted, found, strict=True)
        return {item.target: place for item, place in pairs if place is not None}


def _find_in_layers(download: Download, layers: Sequence[Path]) -> Path | None:
    for layer in layers:
        for path in _candidates(download, layer):
            try:
                if not path.is_file():
                    continue
                place = _verified(download, path, layer)
                if place is not None:
                    return place
                _log.warning("%s is passed over: it is not what the lock promises", path)
            except OSError as error:
                _log.warning("%s is passed over: %s", path, error.strerror)
    return None


def _verified(download: Download, path: Path, layer: Path) -> Path | None:
    """Where the file at `path` may be read from, if its digest is right: there, or from a copy."""
    if not _others_may_write(path, layer):
        return path if sha256_of_file(path) == download.digest else None
    target = download.target
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_file(target.parent, target.name) as (temporary, stream):
        hasher = hashlib.sha256()
        with open(open_regular(path, follow=True), "rb", buffering=0) as source:  # noqa: PTH123  # a descriptor
            while chunk := source.read(CHUNK_BYTES):
                hasher.update(chunk)
                stream.write(chunk)
        if Digest.sha256(hasher.hexdigest()) != download.digest:
            return None
        stream.flush()
        temporary.chmod(download.mode)
        temporary.replace(target)
    return target


def _others_may_write(path: Path, layer: Path) -> bool:
    """Whether another user could change the file at `path`, or put another one in its place."""
    resolved, root = path.resolve(), layer.resolve()
    status = resolved.stat()
    if not is_trusted_owner(status) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return True
    inside = resolved.is_relative_to(root)
    above = (item for item in resolved.parents if not inside or item.is_relative_to(root))
    return any(map(reason_to_distrust, above))


def _candidates(download: Download, layer: Path) -> Iterator[Path]:
    """Where a cache of conda or of micromamba before 2.6, a channel, or a later cache may have it.

    Wheels lie in a cache of lading by their name, in a mirror as `place_of_wheel` says.
    """
    if download.target.name.endswith(".whl"):
        yield layer / download.target.name
        yield layer / WHEELS / download.target.name
        yield layer / place_of_wheel(download.url)
        return
    parts = urlsplit(download.url)
    name = download.target.name
    path = Path(parts.path.lstrip("/"))
    yield layer / name
    yield layer / path.parent.name / name
    if ".." not in path.parts:
        yield layer / parts.scheme / parts.netloc.rpartition("@")[2] / path.parent / name


def place_of_wheel(url: str) -> PurePosixPath:
    """Where a mirror has the wheel of a canonical URL: `wheels/<host>/<path>`, relative.

    The path stays, so that a base URL of the lock can be mapped to a directory of the mirror. The
    host of a `file:` URL is called `local`.

    Raises:
        LockError: The path would lead out of the mirror.
    """
    parts = urlsplit(url)
    path = PurePosixPath(unquote(parts.path).lstrip("/"))
    host = parts.netloc.rpartition("@")[2] or "local"
    if ".." in path.parts or host in {".", ".."}:
        raise LockError(f"the wheel {url} has an unsafe place", hint="do not use this lock")
    return WHEELS / PurePosixPath(host) / path


@contextmanager
def shared_cache(directory: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold a shared lock on a package cache, to link from it; `alone`, an exclusive one, to remove.

    Several builds may link at once; removing a damaged package waits for them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with hold_lock(directory / LOCK_NAME, shared=not alone):
        yield
