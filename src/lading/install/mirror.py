"""Copy all packages of a lock into one directory: for an air gap, or any static web server.

The directory is a channel, and holds the wheels of a pip part under `wheels/<host>/<path>`, each
where its canonical URL says; so a mirror map leads to either, and the directory serves as a layer
of a package cache as well.

The archives are the very bytes of the lock. The repodata is made from each archive's own
`info/index.json`, with the dependencies of the lock where the channel had corrected them.

Source: CEP 35 (archive formats), CEP 36 (repodata).
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from lading.conda import RepodataRecord, dependency_name, is_path_separator_free
from lading.errors import ArchiveError, LockError, OutputError, raised_as
from lading.install.package_cache import place_of_wheel
from lading.package import parse_package_info, read_info
from lading.system import (
    is_temporary_of,
    remove_stale_temporaries,
    sha256_of_file,
    temporary_file,
    write_atomically,
)

KINDS = {".tar.bz2": "packages", ".conda": "packages.conda"}

Entries = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """A mirror that was written.

    Attributes:
        directory: Absolute.
        archives: `subdir/file name` of each conda package of the lock, sorted.
        wheels: Path below `directory` of each wheel of the lock, sorted.
        bases: Canonical base URL → where it is mirrored, absolute: what a mirror map must say.
    """

    directory: Path
    archives: tuple[str, ...]
    wheels: tuple[str, ...]
    bases: Mapping[str, Path]


def write_mirror(
    directory: Path,
    *,
    platform: str,
    records: Sequence[RepodataRecord],
    archives: Mapping[str, Path],
    wheels: Mapping[str, Path] = MappingProxyType({}),
) -> Mirrored:
    """Write the archives, their repodata and the wheels into `directory`.

    What the directory holds of other locks stays, so that one mirror can serve several.

    Args:
        directory: Absolute; made where it does not exist.
        platform: It and `noarch` get a repodata file even if nothing is in them.
        records: From a lock; each subdir and file name once.
        archives: Distribution string → archive on this machine, digest checked.
        wheels: Canonical URL → wheel on this machine, digest checked.

    Raises:
        ArchiveError: An archive is damaged.
        LockError: An archive or a wheel would lie outside of the directory.
        OutputError: The directory cannot be written.
    """
    found: dict[str, Entries] = {"noarch": {}, platform: {}}
    for record in records:
        entry = _read_entry(record, archives[record.distribution])
        found.setdefault(record.subdir, {})[record.file_name] = entry
    places = {url: place_of_wheel(url) for url in wheels}
    with raised_as(
        OutputError, f"cannot write {directory}", "name a directory with room that may be written"
    ):
        for record in records:
            _copy(archives[record.distribution], directory / record.subdir / record.file_name)
        for url, wheel in wheels.items():
            _copy(wheel, directory / places[url])
        for name, entries in found.items():
            _write_repodata(directory / name, entries)
    bases = {record.channel: directory for record in records}
    bases |= {_base(url): directory / Path(*place.parts[:2]) for url, place in places.items()}
    return Mirrored(
        directory=directory,
        archives=tuple(sorted(f"{record.subdir}/{record.file_name}" for record in records)),
        wheels=tuple(sorted(map(str, places.values()))),
        bases=dict(sorted(bases.items())),
    )


def _read_entry(record: RepodataRecord, archive: Path) -> dict[str, object]:
    """Read the repodata entry of an archive."""
    if not is_path_separator_free(record.subdir):
        raise LockError(
            f"{record.file_name} has the unsafe subdir {record.subdir!r}",
            hint="do not use this lock",
        )
    with raised_as(ArchiveError, f"{archive} cannot be read", "check the disk that it lies on"):
        return _entry(record, archive)


def _base(url: str) -> str:
    """Scheme and host of a URL."""
    return urlsplit(url)._replace(path="", query="", fragment="").geturl()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_temporaries(target.parent, is_temporary_of(target.name))
    with temporary_file(target.parent, target.name) as (temporary, _):
        shutil.copyfile(source, temporary)
        temporary.chmod(0o644)
        temporary.replace(target)


def _write_repodata(directory: Path, entries: Entries) -> None:
    """`repodata.json` of one subdir, sorted, without a clock in it."""
    everything = {**_other_entries(directory), **entries}
    document: dict[str, object] = {
        "info": {"subdir": directory.name},
        "removed": [],
        "repodata_version": 1,
    }
    for suffix, key in KINDS.items():
        document[key] = {name: entry for name, entry in everything.items() if name.endswith(suffix)}
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomically(directory / "repodata.json", text.encode())


def _other_entries(directory: Path) -> Entries:
    """What the repodata there says of archives that lie there."""
    try:
        document: object = json.loads((directory / "repodata.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    result: Entries = {}
    for key in KINDS.values():
        part = document.get(key) if isinstance(document, dict) else None
        for name, entry in part.items() if isinstance(part, dict) else ():
            if isinstance(entry, dict) and (directory / name).is_file():
                result[name] = entry
    return result


def _entry(record: RepodataRecord, archive: Path) -> dict[str, object]:
    with archive.open("rb") as stream:
        index = parse_package_info(archive.name, read_info(archive.name, stream)).index
        stream.seek(0)
        md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
        size = stream.tell()
    return {
        **index,
        "depends": _depends(index, record),
        "subdir": record.subdir,
        "size": size,
        "sha256": sha256_of_file(archive).hex,
        "md5": md5.hexdigest(),
    }


def _depends(index: Mapping[str, object], record: RepodataRecord) -> list[str]:
    """The dependencies that the lock knows, in the package's words where these say the same."""
    listed = index.get("depends")
    own = [str(text) for text in listed] if isinstance(listed, list) else []
    locked = {dependency_name(text): str(text) for text in record.depends}
    agreed = {dependency_name(text) for text in own if locked.get(dependency_name(text)) == text}
    result = [text for text in own if text.startswith("__") or dependency_name(text) in agreed]
    present = {dependency_name(text) for text in result}
    return result + [text for name, text in locked.items() if name not in present]
