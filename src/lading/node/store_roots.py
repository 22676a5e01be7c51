"""The records of what a store keeps its packages for.

    STORE/manifests/<sha256>.json                 bills of the prefixes that were made from it
    STORE/roots/<sha256 of its path>.json         which prefix needs which bill
    STORE/pending/<sha256 of a bill>              packages were fetched, the prefix will follow
    STORE/layers/...                              what is mounted, see `store_layers`

Records are written while the store is in use, and removed while nobody else uses it.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from lading.format import STATE_PATH, State
from lading.node.store_layers import KEPT_SECONDS, Layer, StoreLayers
from lading.system import decode_json, read_regular, sha256_of, write_atomically


class _Root(msgspec.Struct, frozen=True, kw_only=True):
    """A prefix that was made from the store, and the digest of its bill."""

    prefix: str
    manifest: str


class StoreRoots(msgspec.Struct, frozen=True):
    """The records of the store at `directory`."""

    directory: Path

    def register(self, prefix: Path, document: bytes) -> None:
        """Record that `prefix` was made from the store by the bill `document`."""
        digest = sha256_of(document).hex
        root = msgspec.json.encode(_Root(prefix=str(prefix), manifest=digest))
        name = hashlib.sha256(os.fsencode(prefix)).hexdigest()
        self._keep_bill(digest, document)
        write_atomically(self.directory / f"roots/{name}.json", root)
        self._pending(digest).unlink(missing_ok=True)

    def keep_layer(self, prefix: Path, document: bytes, listed: str) -> None:
        """Record the layer of `prefix` by the bill `document`; the store has it by `listed`."""
        digest = sha256_of(document).hex
        self._keep_bill(digest, document)
        layer = Layer(prefix=str(prefix), manifest=digest, listed=listed)
        StoreLayers(self.directory).keep(layer)
        self._pending(digest).unlink(missing_ok=True)

    def expect(self, document: bytes) -> None:
        """Record that a prefix will be made by the bill `document`.

        Its packages are kept until then, for at most a week by the clock of the file system.
        """
        digest = sha256_of(document).hex
        self._keep_bill(digest, document)
        write_atomically(self._pending(digest), b"")

    def _keep_bill(self, digest: str, document: bytes) -> None:
        path = self.directory / f"manifests/{digest}.json"
        try:
            is_kept = read_regular(path) == document
        except FileNotFoundError:
            is_kept = False
        if not is_kept:
            write_atomically(path, document)

    def _pending(self, digest: str) -> Path:
        return self.directory / "pending" / digest

    def live_lists(self, now: float) -> set[str]:
        """Remove the records of prefixes that are gone; return what the others need.

        A damaged record counts as one of those: at worst its packages are fetched again, since
        prefixes hold their files themselves.

        Args:
            now: Unix seconds.

        Returns:
            Digests of file lists.
        """
        roots = set()
        for path in self.directory.glob("roots/*.json"):
            root = _living(path)
            if root is not None:
                roots.add((root.prefix, root.manifest))
            else:
                path.unlink()
        layers = tuple(StoreLayers(self.directory).living(now, roots))
        bills = {manifest for _, manifest in roots} | {layer.manifest for layer in layers}
        for path in self.directory.glob("pending/*"):
            if now - path.stat().st_mtime < KEPT_SECONDS:
                bills.add(path.name)
            else:
                path.unlink()
        live = {layer.listed for layer in layers}
        for path in self.directory.glob("manifests/*.json"):
            document = read_regular(path)
            if path.stem not in bills or path.stem != sha256_of(document).hex:
                path.unlink()
                continue
            live |= _packages_of(document).keys()
        return live

    def lists_in_use(self) -> set[str]:
        """The digests of the file lists of what somebody has mounted at this moment."""
        found: set[str] = set()
        for layer in StoreLayers(self.directory).in_use():
            with suppress(OSError):
                document = read_regular(self.directory / f"manifests/{layer.manifest}.json")
                found |= {layer.listed, *_packages_of(document)}
        return found

    def names(self) -> dict[str, str]:
        """Digest of a file list → name of its package, by all bills that can be read."""
        found: dict[str, str] = {}
        for path in sorted(self.directory.glob("manifests/*.json")):
            found |= _packages_of(read_regular(path))
        return found


class _ListDigest(msgspec.Struct, frozen=True):
    sha256: str


class _Package(msgspec.Struct, frozen=True):
    name: str
    listed: _ListDigest = msgspec.field(name="list")


class _Packages(msgspec.Struct, frozen=True):
    packages: tuple[_Package, ...]


def _packages_of(document: bytes) -> dict[str, str]:
    """Digest of a file list → name of its package, by a bill; none where it is damaged."""
    try:
        manifest = decode_json(document, _Packages)
    except ValueError:
        return {}
    return {package.listed.sha256: package.name for package in manifest.packages}


def _living(path: Path) -> _Root | None:
    """A registered prefix and the bill that it was made from; None if it is gone."""
    try:
        root = decode_json(read_regular(path), _Root)
        return root if _is_living(root) else None
    except (FileNotFoundError, ValueError):
        return None


def _is_living(root: _Root) -> bool:
    """Whether a prefix still is what it was registered as.

    One that cannot be looked at, behind a directory of another user for example, counts as living.
    """
    try:
        state = decode_json(read_regular(Path(root.prefix, STATE_PATH)), State)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return state.manifest == root.manifest
