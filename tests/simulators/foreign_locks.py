"""Locks of other tools, by the formats of their versions and with what is odd in them.

Source: conda-lock's `lockfile/v1/models.py` and its history from 1.0 (2022) to 4.0.3 (2026): the
keys, their order and what each version wrote; rattler_lock for pixi.lock.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from lading.conda.records import RepodataRecord

__all__ = ["CONDA_LOCK_VERSIONS", "conda_lock_file"]

Document = dict[str, object]
PLATFORMS = ("linux-64", "osx-arm64")


def _entry(record: RepodataRecord, platform: str, category: str = "main") -> Document:
    """A conda package, keys as the first versions sort them."""
    assert record.sha256 is not None
    assert record.md5 is not None
    return {
        "category": category,
        "dependencies": {text.split()[0]: " ".join(text.split()[1:]) for text in record.depends},
        "hash": {"md5": record.md5.hex, "sha256": record.sha256.hex},
        "manager": "conda",
        "name": record.name,
        "optional": category != "main",
        "platform": platform,
        "url": record.url,
        "version": record.version,
    }


def _base(records: list[RepodataRecord]) -> Document:
    """What conda-lock 1.0 writes."""
    channels = sorted({record.channel for record in records})
    return {
        "metadata": {
            "channels": [{"url": url, "used_env_vars": []} for url in channels],
            "content_hash": dict.fromkeys(PLATFORMS, "0" * 64),
            "platforms": list(PLATFORMS),
            "sources": ["environment.yml"],
        },
        "package": [
            _entry(record, platform, "dev" if record.name == "checker" else "main")
            for record in records
            for platform in PLATFORMS
        ],
        "version": 1,
    }


def _metadata(document: Document) -> Document:
    found = document["metadata"]
    assert isinstance(found, dict)
    return found


def _packages(document: Document) -> list[Document]:
    found = document["package"]
    assert isinstance(found, list)
    return found


def _time_and_git(document: Document) -> None:
    """1.2 to 1.4: who wrote it, when, and from what."""
    _metadata(document).update(
        time_metadata={"created_at": "2023-01-01T00:00:00Z"},
        git_metadata={"git_user_name": "x", "git_user_email": "x@example.invalid", "git_sha": "0"},
        inputs_metadata={"environment.yml": {"md5": "0" * 32, "sha256": "0" * 64}},
        custom_metadata={"team": "data"},
    )


def _nulls(document: Document) -> None:
    """Versions that wrote every field of their models."""
    _metadata(document).update(time_metadata=None, git_metadata=None, custom_metadata=None)
    for item in _packages(document):
        item.update(source=None, build=None)


def _text_channels(document: Document) -> None:
    """Channels as plain text, which every reader of conda-lock still accepts."""
    channels = _metadata(document)["channels"]
    assert isinstance(channels, list)
    _metadata(document)["channels"] = [item["url"] for item in channels]


def _twice(document: Document) -> None:
    """A package that two optional categories need, once for each."""
    more = [
        {**item, "category": "test"} for item in _packages(document) if item["name"] == "checker"
    ]
    _packages(document).extend(more)


def _builds(document: Document) -> None:
    """2.x: the build of a package, and of what it depends on."""
    for item in _packages(document):
        item["build"] = "0"
        item["dependencies"] = {
            name: f"{query or '>=0'} *_0" for name, query in dict(_depends(item)).items()
        }


def _depends(item: Document) -> Mapping[str, str]:
    found = item["dependencies"]
    assert isinstance(found, dict)
    return found


def _md5_only(document: Document) -> None:
    """Channels that gave no sha256: old entries have an md5 alone."""
    for item in _packages(document):
        digests = item["hash"]
        assert isinstance(digests, dict)
        del digests["sha256"]


def _git_and_path(document: Document) -> None:
    """A repository and a directory below `pip:`: the first has a commit for a digest."""
    for platform in PLATFORMS:
        _packages(document).extend(
            {
                "name": name,
                "version": "1.0",
                "manager": "pip",
                "platform": platform,
                "dependencies": {},
                "url": url,
                "hash": digests,
                "source": {"type": "url", "url": url},
                "category": "main",
                "optional": False,
            }
            for name, url, digests in (
                ("from-git", "git+https://example.invalid/x.git@abc", {"sha256": "a" * 40}),
                ("from-path", "file:///home/somebody/x", {}),
            )
        )


def _tokens(document: Document) -> None:
    """Credentials in URLs, as versions without --strip-auth left them."""
    for item in _packages(document):
        url = str(item["url"])
        item["url"] = url.replace("https://", "https://user:secret@")


def _strange_platforms(document: Document) -> None:
    """A platform that no conda knows any more, besides the others."""
    platforms = _metadata(document)["platforms"]
    assert isinstance(platforms, list)
    platforms.append("linux-32")


def _nothing(_document: Document) -> None:
    """As it is."""


CONDA_LOCK_VERSIONS: Mapping[str, Callable[[Document], None]] = {
    "1.0": _nothing,
    "1.2 with times and commits": _time_and_git,
    "1.4 with nulls": _nulls,
    "channels as text": _text_channels,
    "2.0 with a package in two categories": _twice,
    "2.5 with builds": _builds,
    "md5 alone": _md5_only,
    "3.0 with git and path": _git_and_path,
    "credentials": _tokens,
    "4.0 with a platform nobody knows": _strange_platforms,
}
"""Name → what makes a document of 1.0 one of this kind."""


def conda_lock_file(path: Path, kind: str, records: list[RepodataRecord]) -> Path:
    """Write the conda-lock.yml of one kind; the package `checker` is in the category dev."""
    document = _base(records)
    CONDA_LOCK_VERSIONS[kind](document)
    header = "# This lock file was generated by conda-lock. DO NOT EDIT!\n"
    path.write_text(header + yaml.safe_dump(document, sort_keys=False))
    return path
