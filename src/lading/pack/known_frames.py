"""Frames that are known already: by what they are made from, whether that is at hand or not.

The key of a package says everything that shapes its frames: its entry in the lock, with the digest
of its archive; python, unless the package holds nothing that depends on it; the paths that other
packages provide; the compressor; the rules. So a package whose frames are known is not fetched.
"""

import functools
import hashlib
import logging
import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from lading.conda import RepodataRecord
from lading.format import FRAME_FORMAT_VERSION
from lading.lock import LockedPackage
from lading.pack.encode import Style
from lading.pack.frame_cache import FRAME_RULES, FrameCache, KeptPackage, Make
from lading.system import reason_to_distrust

Python = tuple[str, bool]
"""Digest of the environment's python, empty without one; whether bytecode is wanted."""

_log = logging.getLogger(__name__)


def conda_key(
    record: RepodataRecord, style: Style, dropped: Collection[str], python: Python | None
) -> str:
    """The key of a conda package, hexadecimal.

    Args:
        record: From the lock: what of it stands in the prefix record.
        style: Of the frames.
        dropped: Paths that other packages provide.
        python: Of the environment; None for a package that does not depend on it.
    """
    place = (record.channel, record.subdir, record.file_name, record.url)
    digests = [item.hex if item else "" for item in (record.sha256, record.md5)]
    return _key("conda", record.name, place, digests, sorted(dropped), python, _rules(style))


def pip_key(
    package: LockedPackage,
    together: Sequence[LockedPackage],
    style: Style,
    python: Python,
) -> str:
    """The key of a pip distribution, hexadecimal; `together` are all that are installed with it."""
    wheels = sorted(item.sha256.hex for item in together)
    own = (package.name, package.version, package.url, package.sha256.hex)
    return _key("pip", own, wheels, python, _version("uv"), _rules(style))


def _key(*inputs: object) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(inputs)).hexdigest()


@functools.cache
def _version(name: str) -> str:
    """The version of a distribution; finding it reads files."""
    return version(name)


def _rules(style: Style) -> tuple[object, ...]:
    shaped = (style.compressor, style.newest, style.prefix)
    return (FRAME_FORMAT_VERSION, _version("conda-pack"), FRAME_RULES, *shaped)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFrames:
    """Where known frames are looked for, and new ones kept.

    Attributes:
        cache: Where frames are kept for the next time, or None.
        layers: Where they are looked for besides; only read.
        directory: Where each gets a second name, absolute: a cache may be pruned at any time.
    """

    cache: FrameCache | None
    layers: tuple[FrameCache, ...]
    directory: Path

    @classmethod
    def of(cls, cache: FrameCache | None, layers: Iterable[Path], directory: Path) -> "KnownFrames":
        """In `cache`, and in layers; one that other users may write to is passed over."""
        trusted = []
        for layer in layers:
            if reason := reason_to_distrust(layer):
                _log.warning("the frames in %s are not used: %s", layer, reason)
            else:
                trusted.append(FrameCache(directory=layer))
        opened = cache if cache is not None and cache.open() else None
        return cls(cache=opened, layers=tuple(trusted), directory=directory)

    def prune(self) -> None:
        """Tidy the cache up: see `FrameCache.prune`. What has a second name stays readable."""
        if self.cache is not None:
            self.cache.prune()

    def find(self, *keys: str) -> KeptPackage | None:
        """The package with one of `keys`, or None."""
        for key in keys:
            for cache in (*([self.cache] if self.cache else ()), *self.layers):
                kept = cache.find(key)
                if kept is not None and kept.encoded.origin is not None:
                    held = self._hold(kept)
                    if held is not None:
                        return held
        return None

    def _hold(self, kept: KeptPackage) -> KeptPackage | None:
        """Give a package a name that nobody else removes; None if it was removed already.

        Where the file system cannot do that, it keeps the name that it has.
        """
        name = self.directory / kept.path.name
        try:
            # A package that has the name already has the same content.
            with suppress(FileExistsError):
                os.link(kept.path, name)
        except FileNotFoundError:
            return None
        except OSError:
            return kept
        return KeptPackage(path=name, encoded=kept.encoded)

    def store(self, key: str, make: Make) -> KeptPackage:
        """Keep what `make` gives: in the cache, or in the directory if there is none."""
        kept = self.cache.store(key, make) if self.cache is not None else None
        held = self._hold(kept) if kept is not None else None
        if held is not None:
            return held
        path = self.directory / key
        with path.open("wb") as stream:
            return KeptPackage(path=path, encoded=make(stream.write))
