"""The conda-forge corpus as a channel, for tests: real records, no archives.

It lies in the directory named by LADING_CORPUS, or beside the project; tests that need it are
skipped where it is not.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from backports import zstd

__all__ = ["corpus_channel", "corpus_is_missing"]

_BESIDE = Path(__file__).parents[2].parent / "shared" / "data" / "conda-forge-corpus"


def _root() -> Path:
    return Path(os.environ.get("LADING_CORPUS") or _BESIDE)


def corpus_is_missing() -> bool:
    """Whether there is no corpus on this machine."""
    return not (_root() / "noarch" / "repodata.json.zst").is_file()


def corpus_channel(directory: Path, subdirs: Iterable[str]) -> Path:
    """`directory`, filled with the repodata of `subdirs`."""
    for subdir in subdirs:
        target = directory / subdir / "repodata.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(zstd.decompress((_root() / subdir / "repodata.json.zst").read_bytes()))
    return directory
