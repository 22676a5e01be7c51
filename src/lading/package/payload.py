"""The payload of a package: all that it puts into a prefix.

It is computed from the extracted package alone: files with their placeholder still in them, entry
points, the prefix record. So it is the same on every machine and with every engine; the prefix that
an engine fills is only where programs of the environment run at build time.
"""

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from lading.conda import FileMode, Kind, PathType, RepodataRecord
from lading.errors import ArchiveError, UnsafePathError
from lading.package.entry_points import render_entry_point
from lading.package.info import PackageInfo, PathEntry
from lading.system import Digest, sha256_of

if TYPE_CHECKING:
    from lading.package.checks import CheckedPackage

EPOCH_1980 = 315_532_800
"""Unix seconds of 1980-01-01, the oldest time that every archive format can hold."""

OWNER_EXECUTE = 0o100


class PayloadFile(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One path that a package puts into a prefix.

    Attributes:
        path: Prefix-relative, POSIX.
        kind: File, symbolic link or (empty) directory.
        place: Where the content lies on this machine, absolute; empty where `content` holds it.
            Text, because there are tens of thousands and few are opened: see `source`.
        executable: Whether its mode is 0755 instead of 0644.
        sha256: Of the content; None where the package does not say it.
        size: In bytes; None where the package does not say it.
        placeholder: Build prefix that is still in the content, or empty.
    """

    path: str
    kind: Kind = Kind.FILE
    place: str = ""
    content: bytes | None = None
    executable: bool = False
    target: str = ""
    sha256: Digest | None = None
    size: int | None = None
    placeholder: str = ""
    mode: FileMode = FileMode.TEXT

    @property
    def source(self) -> Path | None:
        """Where the content lies on this machine; None where `content` holds it."""
        return Path(self.place) if self.place else None


class Payload(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All that one package puts into a prefix.

    Attributes:
        build: Build string; empty for pip distributions and the environment's own files.
        manager: `conda`, `pip` or `environment`.
        url: Canonical URL of the archive, or empty.
        mtime: Unix seconds that all its members carry.
        files: Sorted by path; unique.
    """

    name: str
    version: str
    build: str = ""
    manager: str = "conda"
    url: str = ""
    sha256: Digest | None = None
    license: str = ""
    mtime: int = EPOCH_1980
    files: tuple[PayloadFile, ...] = ()


class PythonLayout(msgspec.Struct, frozen=True, array_like=True):
    """Where the python of an environment keeps its things.

    Attributes:
        version: `X.Y`.
        site_packages: Prefix-relative directory, POSIX.
        executable: Prefix-relative path of the interpreter.
        digest: SHA-256 of the python package's archive: its bytecode depends on it.
        released: Whether it is a release, which has the magic number of its series.
    """

    version: str
    site_packages: str
    executable: str
    digest: str
    released: bool = True

    @classmethod
    def of(cls, info: "PackageInfo | CheckedPackage", sha256: Digest) -> "PythonLayout":
        """The layout that the package `python` with this `info/` brings (CEP 17)."""
        version = ".".join(info.version.split(".")[:2])
        released = all(part.isdecimal() for part in info.version.split("."))
        return cls(version, info.site_packages, f"bin/python{version}", sha256.hex, released)


def conda_payload(
    record: RepodataRecord, info: PackageInfo, directory: Path, python: PythonLayout | None
) -> Payload:
    """The payload of a conda package.

    `directory` is where it lies extracted.

    Raises:
        ArchiveError: It is a noarch python package without a python, a file is missing or not
            regular, or `info/` belongs to another package than the record.
        UnsafePathError: A file lies below a symbolic link.
    """
    check_record(record, info, python)
    _refuse_linked_parents([entry.path for entry in info.paths], directory)
    files = [_payload_file(entry, info, directory, python) for entry in info.paths]
    return assemble_payload(record, info, files, python)


def check_identity(record: RepodataRecord, package: "PackageInfo | CheckedPackage") -> None:
    """Refuse a package that is not the one that the lock names.

    Raises:
        ArchiveError: It is another one.
    """
    found = (package.name, package.version, package.build)
    if found != (record.name, record.version, record.build):
        raise ArchiveError(
            f"{record.file_name} holds {' '.join(found)}",
            hint="the channel is broken: lock again, or tell its maintainers",
        )


def check_record(record: RepodataRecord, info: PackageInfo, python: PythonLayout | None) -> None:
    """Refuse a package that cannot be a part of the environment.

    Raises:
        ArchiveError: `info/` belongs to another package than the record, or it is a noarch python
            package without a python.
    """
    check_identity(record, info)
    if info.noarch == "python" and python is None:
        raise ArchiveError(
            f"{record.name} needs python, and the lock has none", hint="add python and lock again"
        )


def assemble_payload(
    record: RepodataRecord, info: PackageInfo, files: list[PayloadFile], python: PythonLayout | None
) -> Payload:
    """The payload of a conda package that brings `files`, with what is generated for it."""
    if python is not None and info.noarch == "python":
        files += _entry_point_files(info, python)
    # An entry point takes the place of a file with its name, as installers have it.
    files = list({item.path: item for item in files}.values())
    files.append(_prefix_record(record, info, files))
    return Payload(
        name=record.name,
        version=record.version,
        build=record.build,
        url=record.url,
        sha256=record.sha256,
        license=_text(info.index.get("license")),
        mtime=time_of(info),
        files=tuple(sorted(files, key=lambda item: item.path)),
    )


def _payload_file(
    entry: PathEntry, info: PackageInfo, directory: Path, python: PythonLayout | None
) -> PayloadFile:
    """One path entry, at its place in the prefix."""
    # Text, since a Path for each of tens of thousands takes longer than looking at it.
    source = f"{directory}/{entry.path}"
    path = placed_path(entry.path, info, python)
    try:
        status = os.lstat(source)
        if entry.type is PathType.SOFTLINK and stat.S_ISLNK(status.st_mode):
            return PayloadFile(path=path, kind=Kind.LINK, target=os.readlink(source))  # noqa: PTH115  # keeps the text as it is
    except OSError as error:
        raise ArchiveError(
            f"{directory.name} lacks {entry.path}: {error.strerror}",
            hint="clear the package cache and fetch it again",
        ) from error
    if entry.type is PathType.DIRECTORY:
        return PayloadFile(path=path, kind=Kind.DIRECTORY)
    if not stat.S_ISREG(status.st_mode):
        raise ArchiveError(
            f"{entry.path} of {directory.name} is not a regular file",
            hint="clear the package cache and fetch it again",
        )
    return PayloadFile(
        path=path,
        place=source,
        executable=bool(status.st_mode & OWNER_EXECUTE),
        # The sha256 of a soft link is that of what it points to; here it is a file after all.
        sha256=entry.sha256 if entry.type is PathType.HARDLINK else None,
        size=status.st_size,
        placeholder=entry.placeholder,
        mode=entry.mode,
    )


def _refuse_linked_parents(paths: Iterable[str], directory: Path) -> None:
    """Refuse to read below a symbolic link in an extracted package."""
    sound = {""}
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent not in sound:
            try:
                status = os.lstat(f"{directory}/{parent}")
            except OSError:
                # What lies below it is missing, which is said when it is looked for.
                break
            if not stat.S_ISDIR(status.st_mode):
                raise UnsafePathError(
                    f"{path} of {directory.name} lies below {parent}, which is not a directory",
                    hint="clear the package cache and fetch it again",
                )
            sound.add(parent)
            parent = parent.rpartition("/")[0]


def time_of(info: PackageInfo) -> int:
    """The time that the members of a package carry, in Unix seconds: when it was built."""
    return max(info.timestamp // 1000, EPOCH_1980) if info.timestamp else EPOCH_1980


def placed_path(path: str, info: PackageInfo, python: PythonLayout | None) -> str:
    """Where a path of a package lies in the prefix."""
    if info.noarch == "python" and python is not None:
        return noarch_target(path, python.site_packages)
    return path


def noarch_target(path: str, site_packages: str) -> str:
    """Where a path of a noarch python package lies in the prefix (CEP 20)."""
    head, _, rest = path.partition("/")
    if rest and head == "site-packages":
        return f"{site_packages}/{rest}"
    if rest and head == "python-scripts":
        return f"bin/{rest}"
    return path


def _entry_point_files(info: PackageInfo, python: PythonLayout) -> list[PayloadFile]:
    interpreter = PurePosixPath(python.executable).name
    result = []
    for entry_point in info.entry_points:
        content = render_entry_point(entry_point, interpreter)
        result.append(
            PayloadFile(
                path=f"bin/{entry_point.command}",
                content=content,
                executable=True,
                sha256=sha256_of(content),
                size=len(content),
            )
        )
    return result


def _prefix_record(
    record: RepodataRecord, info: PackageInfo, files: Sequence[PayloadFile]
) -> PayloadFile:
    """The prefix record as the package and the lock give it, without a trace of the installer.

    Source: CEP 32 (prefix records). What depends on the place (`link.source`, `sha256_in_prefix`,
    `extracted_package_dir`) or on the request (`requested_spec`) is empty or absent.
    """
    paths = sorted(files, key=lambda item: item.path)
    document = {
        **info.index,
        "channel": record.channel,
        "subdir": record.subdir,
        "fn": record.file_name,
        "url": record.url,
        "sha256": record.sha256.hex if record.sha256 else "",
        "md5": record.md5.hex if record.md5 else "",
        "files": [item.path for item in paths],
        "paths_data": {"paths_version": 1, "paths": [_path_data(item) for item in paths]},
        "link": {"source": "", "type": 1},
        "extracted_package_dir": "",
        "package_tarball_full_path": "",
    }
    # An encoder in C: these are tens of thousands of lines.
    data = msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=1) + b"\n"
    return PayloadFile(
        path=f"conda-meta/{record.distribution}.json",
        content=data,
        sha256=sha256_of(data),
        size=len(data),
    )


_PATH_TYPES = {Kind.FILE: "hardlink", Kind.LINK: "softlink", Kind.DIRECTORY: "directory"}


def _path_data(item: PayloadFile) -> dict[str, str | int]:
    data: dict[str, str | int] = {"_path": item.path, "path_type": _PATH_TYPES[item.kind]}
    if item.sha256 is not None:
        data["sha256"] = item.sha256.hex
    if item.size is not None:
        data["size_in_bytes"] = item.size
    if item.placeholder:
        data |= {"prefix_placeholder": item.placeholder, "file_mode": str(item.mode)}
    return data


def resolve_clobbering(
    payloads: Iterable[Payload],
) -> tuple[tuple[Payload, ...], Mapping[str, tuple[str, ...]]]:
    """The payloads with each path given to one package only.

    Where several packages own a path, the last in the given order has it; an engine that links
    dependencies first gives the same. So the order decides, never the file system.

    Returns:
        The payloads in the same order, and path → all its owners' names in that order, for each
        path that had several.
    """
    ordered = tuple(payloads)
    owners: dict[str, list[int]] = {}
    for number, payload in enumerate(ordered):
        for item in payload.files:
            owners.setdefault(item.path, []).append(number)
    contested = {path: numbers for path, numbers in owners.items() if len(numbers) > 1}
    if not contested:
        return ordered, {}
    result = []
    for number, payload in enumerate(ordered):
        kept = tuple(
            item
            for item in payload.files
            if item.path not in contested or contested[item.path][-1] == number
        )
        changed = len(kept) != len(payload.files)
        result.append(msgspec.structs.replace(payload, files=kept) if changed else payload)
    names = {
        path: tuple(ordered[number].name for number in numbers)
        for path, numbers in sorted(contested.items())
    }
    return tuple(result), names


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
