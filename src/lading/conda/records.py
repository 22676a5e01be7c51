"""Package records: the entries of a channel.

Source: CEP 34 (index.json), CEP 36 (repodata), CEP 32 (prefix records).
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from lading.conda.names import BuildString, MatchSpecText, PackageName
from lading.system import Digest

ARCHIVE_SUFFIXES = (".conda", ".tar.bz2")


def archive_stem(file_name: str) -> str:
    """`file_name` without the suffix of its archive format: the distribution string (CEP 26).

    Raises:
        ValueError: It is neither `.conda` nor `.tar.bz2`.
    """
    for suffix in ARCHIVE_SUFFIXES:
        if file_name.endswith(suffix) and len(file_name) > len(suffix):
            return file_name.removesuffix(suffix)
    raise ValueError(f"{file_name!r} is neither .conda nor .tar.bz2")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepodataRecord:
    """One artifact of a channel, and where it came from.

    Attributes:
        build_number: At least 0.
        subdir: `noarch` or a platform.
        channel: Canonical base URL of the channel, without trailing slash.
        url: Canonical URL of the archive.
        sha256: Of the archive; None only where the channel does not say it.
        md5: Of the archive; None where the channel does not say it.
        size: Of the archive in bytes; 0 where unknown.
        depends: MatchSpecs, in the channel's order.
        constrains: MatchSpecs, in the channel's order.
        timestamp: Build time in Unix milliseconds, as the builder says; 0 where unknown.
        indexed_timestamp: When the channel first listed it, as its server says (CEP 47), in Unix
            milliseconds; 0 where unknown.
        noarch: `python`, `generic` or empty.
    """

    name: PackageName
    version: str
    build: BuildString
    build_number: int
    subdir: str
    channel: str
    url: str
    sha256: Digest | None
    md5: Digest | None = None
    size: int = 0
    depends: tuple[MatchSpecText, ...] = ()
    constrains: tuple[MatchSpecText, ...] = ()
    license: str = ""
    timestamp: int = 0
    indexed_timestamp: int = 0
    noarch: str = ""

    @property
    def file_name(self) -> str:
        """The `fn` of the archive."""
        return urlsplit(self.url).path.rpartition("/")[2]

    @property
    def distribution(self) -> str:
        """`name-version-build`, the distribution string without subdir (CEP 26)."""
        return f"{self.name}-{self.version}-{self.build}"
