"""A channel of real records, and the same many times over under other names."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from backports import zstd

from bench.workshop import ROOT

__all__ = ["copy_name", "find_corpus", "renamed", "write_corpus"]

SUBDIRS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "noarch")
BESIDE = ROOT.parent / "shared/data/conda-forge-corpus"


class _Repodata(msgspec.Struct, frozen=True):
    packages: dict[str, dict[str, object]] = msgspec.field(default_factory=dict)
    conda: dict[str, dict[str, object]] = msgspec.field(name="packages.conda", default_factory=dict)


def find_corpus(environment: Mapping[str, str]) -> Path | None:
    """The corpus named by LADING_CORPUS, or beside the project; None where there is none."""
    path = Path(environment.get("LADING_CORPUS") or BESIDE)
    return path if (path / "noarch/repodata.json.zst").is_file() else None


def write_corpus(corpus: Path, channel: Path, copies: int) -> int:
    """Make `channel` of the corpus and `copies - 1` renamed copies; how many records it has."""
    return sum(_write_subdir(corpus, channel, subdir, copies) for subdir in SUBDIRS)


def _write_subdir(corpus: Path, channel: Path, subdir: str, copies: int) -> int:
    data = zstd.decompress((corpus / subdir / "repodata.json.zst").read_bytes())
    target = channel / subdir / "repodata.json"
    target.parent.mkdir(parents=True)
    repodata = msgspec.json.decode(data, type=_Repodata)
    parts = {"packages": repodata.packages, "packages.conda": repodata.conda}
    with target.open("wb") as stream:
        stream.write(b'{"info":{"subdir":"%s"}' % subdir.encode())
        for key, records in parts.items():
            stream.write(b',"%s":{' % key.encode())
            separator = b""
            for number in range(copies):
                for file_name, record in records.items():
                    name, content = renamed(file_name, record, number)
                    stream.write(separator + msgspec.json.encode(name) + b":" + content)
                    separator = b",\n"
            stream.write(b"}")
        stream.write(b"}\n")
    os.utime(target, (0, 0))
    return copies * sum(len(records) for records in parts.values())


def renamed(file_name: str, record: Mapping[str, object], number: int) -> tuple[str, bytes]:
    """File name and JSON of a record in copy `number`; copy 0 is the record itself."""
    if number == 0:
        return file_name, msgspec.json.encode(record)
    name = str(record["name"])
    changed = {**record, "name": copy_name(name, number)}
    for key in ("depends", "constrains"):
        specs = record.get(key)
        if isinstance(specs, list):
            changed[key] = [_renamed_spec(str(spec), number) for spec in specs]
    return file_name.replace(name, copy_name(name, number), 1), msgspec.json.encode(changed)


def copy_name(name: str, number: int) -> str:
    """What a package is called in copy `number`; virtual packages are the same in all."""
    return name if name.startswith("__") else f"{name}.copy{number}"


def _renamed_spec(spec: str, number: int) -> str:
    name, space, rest = spec.partition(" ")
    return copy_name(name, number) + space + rest
