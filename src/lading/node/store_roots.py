"""What a store keeps its frames for.

    STORE/manifests/<sha256>.json                 bills of the prefixes that were made from it
    STORE/roots/<sha256 of its path>.json         which prefix needs which bill
    STORE/pending/<sha256 of a bill>              whose frames were fetched, for a prefix to come

Records are written while the store is in use, and forgotten while nobody else uses it.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lading.errors import ManifestError, NotAPrefixError
from lading.format import FrameSlice, parse_manifest, read_state
from lading.system import sha256_of, write_atomically

__all__ = ["PENDING_SECONDS", "StoreRoots"]

PENDING_SECONDS = 7 * 86_400
"""How long fetched frames wait for the prefix that they were fetched for."""


class _Root(msgspec.Struct, frozen=True, kw_only=True):
    """A prefix that was made from the store, and the digest of its bill."""

    prefix: str
    manifest: str


@dataclass(frozen=True, slots=True)
class StoreRoots:
    """The records of the store at `directory`."""

    directory: Path

    def register(self, prefix: Path, document: bytes) -> None:
        """Note that `prefix` was made from the store by the bill `document`."""
        digest = sha256_of(document).hex
        root = msgspec.json.encode(_Root(prefix=str(prefix), manifest=digest))
        name = hashlib.sha256(os.fsencode(prefix)).hexdigest()
        self._keep_bill(digest, document)
        write_atomically(self.directory / f"roots/{name}.json", root)
        self._pending(digest).unlink(missing_ok=True)

    def expect(self, document: bytes) -> None:
        """Note that a prefix will be made by the bill `document`: its frames are kept till then.

        A prefix that does not come is waited for a week, by the clock of the file system.
        """
        digest = sha256_of(document).hex
        self._keep_bill(digest, document)
        write_atomically(self._pending(digest), b"")

    def _keep_bill(self, digest: str, document: bytes) -> None:
        path = self.directory / f"manifests/{digest}.json"
        try:
            is_kept = path.read_bytes() == document
        except FileNotFoundError:
            is_kept = False
        if not is_kept:
            write_atomically(path, document)

    def _pending(self, digest: str) -> Path:
        return self.directory / "pending" / digest

    def live_frames(self, now: float) -> set[str]:
        """The digests that registered prefixes need; forgets the prefixes that are gone.

        A record that cannot be read counts as gone: at worst its frames are fetched again, since
        prefixes hold their files themselves.

        Args:
            now: Unix seconds.
        """
        bills = set()
        for path in self.directory.glob("roots/*.json"):
            digest = _digest_of_living(path)
            if digest is not None:
                bills.add(digest)
            else:
                path.unlink()
        for path in self.directory.glob("pending/*"):
            if now - path.stat().st_mtime < PENDING_SECONDS:
                bills.add(path.name)
            else:
                path.unlink()
        live: set[str] = set()
        for path in self.directory.glob("manifests/*.json"):
            document = path.read_bytes()
            if path.stem not in bills or path.stem != sha256_of(document).hex:
                path.unlink()
                continue
            live |= _frame_digests(document)
        return live

    def bills(self) -> tuple[FrameSlice, ...]:
        """What each frame must be, each once, for all bills that can be read."""
        found: dict[str, FrameSlice] = {}
        for path in sorted(self.directory.glob("manifests/*.json")):
            with suppress(ManifestError):
                manifest = parse_manifest(path.read_bytes(), path.name)
                found |= {bill.frame.sha256: bill for bill in manifest.slices()}
        return tuple(found.values())


class _FrameDigest(msgspec.Struct, frozen=True):
    sha256: str


class _PackageFrames(msgspec.Struct, frozen=True):
    frames: tuple[_FrameDigest, ...]


class _ManifestFrames(msgspec.Struct, frozen=True):
    packages: tuple[_PackageFrames, ...]


def _frame_digests(document: bytes) -> set[str]:
    """The digests of the frames of a bill; its files, which are the bulk of it, are skipped."""
    try:
        manifest = msgspec.json.decode(document, type=_ManifestFrames)
    except msgspec.DecodeError:
        return set()
    return {frame.sha256 for package in manifest.packages for frame in package.frames}


def _digest_of_living(path: Path) -> str | None:
    """The digest of the bill that a registered prefix was made by; None where it is gone."""
    with suppress(msgspec.DecodeError, NotAPrefixError):
        root = msgspec.json.decode(path.read_bytes(), type=_Root)
        prefix = Path(root.prefix)
        state = read_state(prefix) if prefix.is_dir() else None
        if state is not None and state.manifest == root.manifest:
            return root.manifest
    return None
