"""Wheels as they come from PyPI: what they say of themselves, and what is in them. Reads only."""

from __future__ import annotations

import re
import stat
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from packaging.metadata import RawMetadata, parse_email
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from demo_channel.failure import DemoChannelError
from demo_channel.package import EARLIEST, About

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from packaging.tags import Tag

_LICENSE_LENGTH = 60
_LICENSE_PREFIX = "License :: "
_SPDX = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_HOME_LABELS = ("homepage", "home", "source", "repository", "source code")


class Kind(StrEnum):
    """What a wheel is bound to, as its tags say."""

    PURE = "pure"
    PORTABLE = "portable"  # to a platform, not to one series of CPython: abi3 or none
    COMPILED = "compiled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One wheel and its metadata.

    Attributes:
        path: Absolute.
        name: Normalised PyPI name.
        version: Normalised version.
        kind: What it is bound to.
        requires: Requires-Dist, in the order of the file.
        requires_python: PEP 440 clauses; may be empty.
        about: Description; the license is short.
        timestamp: Newest time of a member, in Unix milliseconds, at least `EARLIEST`.
    """

    path: Path
    name: str
    version: str
    kind: Kind
    requires: tuple[str, ...]
    requires_python: str
    about: About
    timestamp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file in a wheel: its path there, its content, and whether it is executable."""

    path: PurePosixPath
    data: bytes
    executable: bool


def read_wheel(path: Path) -> Wheel:
    """The metadata of one wheel.

    Raises:
        DemoChannelError: The file is not a wheel.
    """
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            metadata_name = next(
                m.filename
                for m in members
                if re.fullmatch(r"[^/]+\.dist-info/METADATA", m.filename)
            )
            metadata, _ = parse_email(archive.read(metadata_name))
    except (InvalidWheelFilename, zipfile.BadZipFile, StopIteration) as error:
        message = f"{path} is not a wheel"
        raise DemoChannelError(message, hint="delete it and run again") from error
    newest = max(datetime(*m.date_time, tzinfo=UTC).timestamp() for m in members)
    return Wheel(
        path=path,
        name=name,
        version=str(version),
        kind=classify_tags(tags),
        requires=tuple(metadata.get("requires_dist", ())),
        requires_python=metadata.get("requires_python", ""),
        about=summarise(metadata),
        timestamp=max(int(newest) * 1000, EARLIEST),
    )


def read_members(path: Path) -> Iterator[Member]:
    """Every file of one wheel.

    Raises:
        DemoChannelError: A path leaves the wheel, or a member is not a regular file.
    """
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            member, mode = PurePosixPath(info.filename), info.external_attr >> 16
            if member.is_absolute() or ".." in member.parts or stat.S_ISLNK(mode):
                message = f"{path.name} holds the unsafe member {info.filename}"
                raise DemoChannelError(
                    message,
                    hint="do not use that wheel",
                )
            yield Member(path=member, data=archive.read(info), executable=bool(mode & 0o111))


def classify_tags(tags: frozenset[Tag]) -> Kind:
    """What a wheel with these tags is bound to."""
    if any(tag.platform == "any" for tag in tags):
        return Kind.PURE
    if all(tag.abi in {"none", "abi3"} for tag in tags):
        return Kind.PORTABLE
    return Kind.COMPILED


def summarise(metadata: RawMetadata) -> About:
    """The short description of a wheel."""
    urls = {label.lower(): url for label, url in metadata.get("project_urls", {}).items()}
    home = next((urls[label] for label in _HOME_LABELS if label in urls), "")
    return About(
        summary=metadata.get("summary", "").partition("\n")[0],
        home=home or metadata.get("home_page", ""),
        license=shorten_license(metadata),
    )


def shorten_license(metadata: RawMetadata) -> str:
    """The license as one short line; empty if the metadata has only a whole text, or nothing.

    `License-Expression` goes first, then a short `License`, then the classifiers.
    """
    expression, text = metadata.get("license_expression", ""), metadata.get("license", "")
    if expression:
        return expression
    if 0 < len(text) <= _LICENSE_LENGTH and "\n" not in text:
        return text
    names = [
        line.rpartition(" :: ")[2]
        for line in metadata.get("classifiers", [])
        if line.startswith(_LICENSE_PREFIX)
    ]
    return " AND ".join(_SPDX.get(name, name) for name in sorted(names))
