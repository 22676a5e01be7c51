"""What a lock keeps of the project's own code, on its side list.

conda-lock's format has no place for it, so it stands in the metadata, where other tools pass over
it: `lading-built-NAME` for each wheel that was built when locking, `lading-files-NAME` for files of
the project. The value is JSON.
"""

from collections.abc import Iterable, Mapping
from posixpath import normpath
from typing import TypeVar

import msgspec
from packaging.utils import NormalizedName, canonicalize_name

from lading.errors import LockError, raised_as
from lading.lock.model import REMEDY, Lockfile
from lading.system import Digest, decode_json

BUILT_KEY = "lading-built-"
FILES_KEY = "lading-files-"

Entry = TypeVar("Entry", bound=msgspec.Struct)


class Built(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a wheel of a lock was built.

    Attributes:
        source: The source tree, `.` or `./PATH`, relative to the project; or the URL of an sdist.
        sha256: Of the sources, hexadecimal: of the tree, or of the sdist.
        requires: What it was built with: `name==version --hash=...`, sorted.
        is_stable: Whether building twice gave the same bytes.
    """

    source: str
    sha256: str
    requires: tuple[str, ...] = ()
    is_stable: bool = msgspec.field(name="stable", default=True)

    @property
    def is_tree(self) -> bool:
        """Whether it was built from a source tree of the project."""
        return "://" not in self.source

    def is_of(self, source: str, sha256: Digest) -> bool:
        """Whether it was built from these sources."""
        # The project itself was once called `./.`.
        return (normpath(self.source), self.sha256) == (normpath(source), sha256.hex)


class ProjectFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Files of the project that belong to an environment.

    Attributes:
        source: The file or directory, `./PATH` relative to the project.
        target: Where they lie in the environment, relative, POSIX.
        sha256: Of their names and contents, hexadecimal.
    """

    source: str
    target: str
    sha256: str

    @property
    def name(self) -> str:
        """How their package is called."""
        return self.target.replace("/", "-")


def locked_files(lock: Lockfile) -> tuple[ProjectFiles, ...]:
    """The files of the project that belong to the environment, sorted by the name of their package.

    Raises:
        LockError: An entry is not what lading writes, or leads out of the environment.
    """
    entries = _entries(lock, FILES_KEY, ProjectFiles)
    for item in entries.values():
        refusal = refusal_of_target(item.target)
        if refusal:
            raise LockError(f"the lock puts files at {item.target!r}: {refusal}", hint=REMEDY)
    return tuple(entries[name] for name in sorted(entries))


def refusal_of_target(target: str) -> str:
    """Why files of the project cannot lie at `target` in an environment, or empty."""
    parts = target.split("/")
    if not target.isprintable() or {"", ".", ".."} & set(parts):
        return "it must be a plain path below the environment"
    return "it holds the records of packages" if parts[0] == "conda-meta" else ""


def built_wheels(lock: Lockfile) -> Mapping[NormalizedName, Built]:
    """Name → how it was built, of the pip packages whose wheels were built when locking."""
    entries = _entries(lock, BUILT_KEY, Built)
    return {canonicalize_name(name): entry for name, entry in entries.items()}


def side_list_of(
    built: Mapping[NormalizedName, Built], files: Iterable[ProjectFiles] = ()
) -> dict[str, str]:
    """The metadata that say how wheels were built, and which files of the project belong to it."""
    return {
        **{f"{BUILT_KEY}{name}": _text(entry) for name, entry in sorted(built.items())},
        **{f"{FILES_KEY}{item.name}": _text(item) for item in files},
    }


def _text(entry: msgspec.Struct) -> str:
    return msgspec.json.encode(entry, order="deterministic").decode()


def _entries(lock: Lockfile, key: str, kind: type[Entry]) -> dict[str, Entry]:
    found = {}
    for name, text in lock.metadata.items():
        if not name.startswith(key):
            continue
        with raised_as(LockError, f"the lock says {name} wrongly", REMEDY, msgspec.DecodeError):
            found[name.removeprefix(key)] = decode_json(text.encode(), kind)
    return found
