"""The layers of a store: what lies in front of its packages where an environment is mounted.

    STORE/layers/<sha256 of bill and prefix>.json    which package of the store is the layer

A layer holds the files that name the prefix, and what belongs to no package: lists, bill, state. It
is made once for a bill and a prefix, and kept as packages are: by its own list, complete or not at
all, checked in the same ways. Its record keeps it, and the packages, for a week after each use and
while somebody holds a lock on it. So what is mounted for days does not keep the store in use.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from lading.system import decode_json, read_regular, reason_to_distrust, write_atomically

KEPT_SECONDS = 7 * 86_400
"""How long packages are kept for what is expected, or was mounted."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """The layer of an environment.

    Attributes:
        prefix: Where it is mounted, absolute.
        manifest: SHA-256 of the bill, hexadecimal.
        listed: SHA-256 of the layer's own list, by which the store keeps it.
    """

    prefix: str
    manifest: str
    listed: str


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A layer that stays.

    Attributes:
        layer: Which.
        descriptor: It stays until this, and every copy of it, is closed.
    """

    layer: Layer
    descriptor: int


class StoreLayers(msgspec.Struct, frozen=True):
    """The layers of the store at `directory`."""

    directory: Path

    def keep(self, layer: Layer) -> None:
        """Record a layer that the store has."""
        path = self._path(layer.manifest, layer.prefix)
        # A record that is right stays the file that it is: somebody may have locked it.
        if _read(path) != layer:
            write_atomically(path, msgspec.json.encode(layer))

    def hold(self, manifest: str, prefix: str) -> Held | None:
        """Lock the layer of an environment, so that no collection removes what it needs.

        Returns:
            None where there is none, or others could have written it.
        """
        path = self._path(manifest, prefix)
        try:
            if any(map(reason_to_distrust, (self.directory, path.parent))):
                return None
            descriptor = _open(path)
        except OSError:
            return None
        _use(descriptor)
        # Only now nobody removes it; a moment ago somebody might have.
        layer = _read(path)
        if layer is not None and (layer.manifest, layer.prefix) == (manifest, prefix):
            return Held(layer=layer, descriptor=descriptor)
        os.close(descriptor)
        return None

    def living(self, now: float, mounted: Container[tuple[str, str]]) -> Iterator[Layer]:
        """Remove the records of layers that nobody uses any more; yield the others.

        Args:
            now: Unix seconds.
            mounted: Prefix and bill of environments that are in place.
        """
        for path in sorted(self.directory.glob("layers/*.json")):
            layer = _read(path)
            with _locked(path) as is_free:
                is_old = now - path.stat().st_mtime >= KEPT_SECONDS
                if layer is None or (
                    is_free and is_old and (layer.prefix, layer.manifest) not in mounted
                ):
                    path.unlink()
                else:
                    yield layer

    def in_use(self) -> Iterator[Layer]:
        """The layers that somebody has locked at this moment."""
        for path in sorted(self.directory.glob("layers/*.json")):
            layer = _read(path)
            with _locked(path) as is_free:
                if layer is not None and not is_free:
                    yield layer

    def _path(self, manifest: str, prefix: str) -> Path:
        name = hashlib.sha256(os.fsencode(prefix) + b"\0" + manifest.encode()).hexdigest()
        return self.directory / f"layers/{name}.json"


def _read(path: Path) -> Layer | None:
    with suppress(OSError, ValueError):
        return decode_json(read_regular(path), Layer)
    return None


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def _use(descriptor: int) -> None:
    """Lock a record, waited for, and give it the time of now; each may be impossible."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    with suppress(OSError):
        os.utime(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the lock on a record, so that nobody begins to use it; whether it was free."""
    descriptor = _open(path)
    try:
        is_free = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Any other error says that files cannot be locked there.
            is_free = error.errno != errno.EWOULDBLOCK
        yield is_free
    finally:
        os.close(descriptor)
