"""Find what micromamba could not read of a channel and did not report.

It treats a subdir that the server failed to send as missing, a document that is not repodata (the
sign-in page of a proxy, half a file) as one without packages, and `depends` of a wrong type as
empty, and it caches all three. So its cache is checked after each solve.

Seen in micromamba 2.5.0 and 2.8.1.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from lading.conda import Platform, RepodataRecord
from lading.engine.broken_records import fault_of, kept_repodata
from lading.engine.errors import BrokenRecordError
from lading.engine.location import Sources, subdir_urls
from lading.errors import FetchError
from lading.system import Completed, without_credentials

LARGEST_BYTES = 1 << 26
"""Size of repodata in which records are checked; larger ones come from conda-index, well-formed."""

_RETRIES = "libmamba Retrying in"
_LOOKED_AT_BYTES = 64


def check_repodata(cache: Path, sources: Sources, platform: Platform, answer: Completed) -> None:
    """Refuse a solution if a channel was not read.

    `cache` is the package cache of the call; repodata is kept in `cache/` below it.
    """
    kept = _kept(cache / "cache")
    for channel, subdir, url in subdir_urls(sources, platform):
        path = kept.get(f"{url}/repodata.json")
        reason = ""
        if path is None:
            # A missing file (404) is not retried, so this was another failure.
            reason = "its server fails" if _RETRIES in answer.stderr else ""
        elif not _is_document(path):
            reason = "its server sent something that is not repodata"
            _forget(path)
        if reason:
            raise FetchError(
                f"{without_credentials(channel)}/{subdir}: {reason}",
                hint="check the URL, the mirrors and the network",
                details=(f"{url}: {reason}",),
            )


def check_records(
    cache: Path, sources: Sources, platform: Platform, records: Sequence[RepodataRecord]
) -> None:
    """Refuse a solution with a package whose dependencies are missing from a malformed record.

    Raises:
        BrokenRecordError: There is such a package; the message names its archive.
    """
    independent = [record for record in records if not record.depends]
    kept = _kept(cache / "cache") if independent else {}
    for channel, subdir, url in subdir_urls(sources, platform):
        here = [item for item in independent if (item.channel, item.subdir) == (channel, subdir)]
        path = kept.get(f"{url}/repodata.json")
        if not here or path is None or path.stat().st_size > LARGEST_BYTES:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for record in here:
            fault = _fault_in(text, record.file_name)
            if fault:
                raise BrokenRecordError.of(channel, record.file_name, fault)


def repodata_documents(cache: Path, sources: Sources, platform: Platform) -> tuple[Path, ...]:
    """The `repodata.json` of each subdir that was read; arguments as of `check_repodata`."""
    kept = _kept(cache / "cache")
    urls = (f"{url}/repodata.json" for _, _, url in subdir_urls(sources, platform))
    return tuple(kept[url] for url in urls if url in kept)


def shard_indices(cache: Path, sources: Sources, platform: Platform) -> Iterator[Path]:
    """The index of shards of each subdir that has one; arguments as of `check_repodata`.

    micromamba names it after the URL of the subdir.
    """
    for location in sources.values():
        for url in dict.fromkeys((location, without_credentials(location))):
            for subdir in (platform.value, "noarch"):
                name = f"{url.rstrip('/')}/{subdir}/".encode()
                key = hashlib.md5(name, usedforsecurity=False).hexdigest()[:8]
                path = cache / f"cache/{key}.msgpack.zst"
                if path.is_file():
                    yield path


def _fault_in(text: str, file_name: str) -> str:
    """What is wrong with the record of an archive in a repodata; empty if nothing is."""
    match = re.search(rf'"{re.escape(file_name)}"\s*:\s*(?={{)', text)
    if match is None:
        return ""
    try:
        record, _ = json.JSONDecoder().raw_decode(text, match.end())
    except ValueError as error:
        return str(error)
    return fault_of(msgspec.json.encode(record))


def _kept(directory: Path) -> Mapping[str, Path]:
    """URL of a `repodata.json` → its path in the cache."""
    found = kept_repodata(directory, ".state.json")
    return {url.removesuffix(".zst"): path for url, path in found if path.is_file()}


def _is_document(path: Path) -> bool:
    """Whether a file begins and ends like a JSON object; it may be too large to parse."""
    with path.open("rb") as stream:
        head = stream.read(_LOOKED_AT_BYTES)
        stream.seek(max(0, path.stat().st_size - _LOOKED_AT_BYTES), os.SEEK_SET)
        tail = stream.read(_LOOKED_AT_BYTES)
    return head.lstrip().startswith(b"{") and tail.rstrip().endswith(b"}")


def _forget(document: Path) -> None:
    for suffix in (".json", ".solv", ".state.json"):
        document.with_name(document.name.replace(".json", suffix)).unlink(missing_ok=True)
