"""A prefix that conda-pack packs the same files of as lading does of its own.

It has the very files of lading's prefix, but records as conda, mamba and rattler leave them: they
name the package in the cache (lading leaves that out, and conda-pack then takes every file for one
that no package owns, which is slower), and list the bytecode of `noarch: python` packages.

conda-pack leaves out bytecode that no package owns. Packages that are not `noarch` bring theirs.
What lading compiled besides is owned by copies of them in the cache that these records name.
"""

import json
import os
import shutil
import subprocess
from collections import defaultdict
from importlib.util import source_from_cache
from pathlib import Path
from typing import TypeAlias

from bench.workshop import remove

__all__ = ["copy_tree", "make_conda_prefix"]

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"


def make_conda_prefix(source: Path, package_cache: Path, target: Path) -> Path:
    """The prefix, at `target/prefix`.

    Args:
        source: A prefix that lading installed.
        package_cache: What it was installed from: `<name>-<version>-<build>/`.
        target: Absolute, not there yet; on the same file system, as files are linked.
    """
    prefix = target / "prefix"
    copy_tree(source, prefix)
    bytecode = _bytecode_by_source(source)
    for path in sorted((source / "conda-meta").glob("*.json")):
        record: dict[str, Json] = json.loads(path.read_bytes())
        listed = record["files"]
        assert isinstance(listed, list)  # noqa: S101  # for the type checker
        package = package_cache / path.stem
        own = sorted(
            item
            for name in listed
            if isinstance(name, str)
            for item in bytecode.get(name, ())
            if not (package / item).exists()
        )
        if record.get("noarch") == "python":
            record["files"] = [*listed, *own]
        elif own:
            package = _with_bytecode(package, own, source, target / "pkgs")
        record["link"] = {"source": str(package), "type": 1}
        record["extracted_package_dir"] = str(package)
        copy = prefix / "conda-meta" / path.name
        copy.unlink()
        copy.write_text(json.dumps(record), "utf-8")
    return prefix


def copy_tree(source: Path, target: Path) -> None:
    """Make `target` a second tree of the files of `source`, as hard links."""
    remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    cp = shutil.which("cp") or "/bin/cp"
    subprocess.run([cp, "-al", str(source), str(target)], check=True)


def _bytecode_by_source(prefix: Path) -> dict[str, list[str]]:
    """Prefix-relative source → its bytecode."""
    result: dict[str, list[str]] = defaultdict(list)
    for path in prefix.rglob("__pycache__/*.pyc"):
        name = str(path.relative_to(prefix))
        result[source_from_cache(name)].append(name)
    return result


def _with_bytecode(package: Path, bytecode: list[str], prefix: Path, cache: Path) -> Path:
    """A copy of an extracted package that owns `bytecode` as well."""
    copy = cache / package.name
    copy_tree(package, copy)
    description = copy / "info/paths.json"
    paths = json.loads(description.read_bytes())
    for name in bytecode:
        (copy / name).parent.mkdir(exist_ok=True)
        os.link(prefix / name, copy / name)
        paths["paths"].append({"_path": name, "path_type": "hardlink"})
    description.unlink()
    description.write_text(json.dumps(paths), "utf-8")
    return copy
