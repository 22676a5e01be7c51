"""Make `lading-node.pyz`: the core of lading and all that it needs, as one file.

Usage: python scripts/node_archive.py [OUTPUT] [--python 3.11 ...]

A node runs it with its own python (`python3 lading-node.pyz unpack ...`); nothing is installed.
Pure modules are imported from the file; the compiled ones, of which it holds a set for each version
of python, are extracted once into the user's cache. The same sources and the same
`locks/development.txt` give the same bytes.
"""

import argparse
import hashlib
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1]
PYPROJECT = PROJECT / "pyproject.toml"
LOCK = PROJECT / "locks/development.txt"
OUTPUT = PROJECT / "dist/lading-node.pyz"
LAUNCHER = Path(__file__).with_name("node_launcher.py")
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip file can hold."""
LEFT_OUT = re.compile(r"(^|/)(__pycache__|bin|tests?)/|\.dist-info/(?!METADATA$|licen[cs]es/)")


def main(arguments: Sequence[str]) -> int:
    """Make the file; return the exit code."""
    parser = argparse.ArgumentParser(description="Make lading-node.pyz.")
    parser.add_argument("output", nargs="?", type=Path, default=OUTPUT)
    parser.add_argument("--python", nargs="+", default=VERSIONS, help="versions to serve")
    options = parser.parse_args(arguments)
    members: dict[str, bytes] = {"__main__.py": LAUNCHER.read_bytes()}
    members.update(_modules_below(PROJECT / "src"))
    for version in options.python:
        with tempfile.TemporaryDirectory() as directory:
            download(version, Path(directory))
            members.update(_placed(_modules_below(Path(directory)), version))
    write(options.output, members)
    sys.stdout.write(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB\n")
    return 0


def core_requirements(version: str) -> set[str]:
    """The names of all distributions that the core needs on this version of python."""
    there = {"extra": "", "python_version": version, "python_full_version": f"{version}.0"}
    waiting = list(tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"])
    found: set[str] = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate(there)):
            found.add(name)
            waiting += requires(name) or ()
    return found


def locked(names: set[str]) -> str:
    """The entries of the lock for `names`, with their hashes."""
    blocks = re.split(r"\n(?=[a-z0-9])", LOCK.read_text())
    chosen = [block for block in blocks if re.split(r"[=\[]", block, maxsplit=1)[0] in names]
    missing = names - {re.split(r"[=\[]", block, maxsplit=1)[0] for block in chosen}
    if missing:
        sys.exit(f"error: {LOCK} lacks {', '.join(sorted(missing))}")
    # The markers of the lock are for its own python.
    return "\n".join(re.sub(r" ; [^\\\n]*", " ", block) for block in chosen)


def download(version: str, directory: Path) -> None:
    """Install what the core needs on this version of python into `directory`."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(locked(core_requirements(version)))
        requirements.flush()
        target = ["--target", str(directory), "--python-version", version, "--implementation", "cp"]
        systems = [f"manylinux{system}_{platform.machine()}" for system in ("2014", "_2_28")]
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--require-hashes", "--only-binary", ":all:", *target),
                *(option for system in systems for option in ("--platform", system)),
                *("-r", requirements.name),
            ],
            check=True,
        )


def _modules_below(directory: Path) -> dict[str, bytes]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    named = ((path.relative_to(directory).as_posix(), path) for path in paths)
    return {name: path.read_bytes() for name, path in named if not LEFT_OUT.search(name)}


def _placed(modules: dict[str, bytes], version: str) -> Iterator[tuple[str, bytes]]:
    """Where modules lie in the file: packages with compiled parts apart, by version of python."""
    compiled = {name.partition("/")[0] for name in modules if name.endswith(".so")}
    for name, data in modules.items():
        is_compiled = name.partition("/")[0] in compiled
        yield (f"compiled/{version}/{name}" if is_compiled else name), data


def write(output: Path, members: dict[str, bytes]) -> None:
    """Write the file; the launcher learns which digest its compiled modules have."""
    hasher = hashlib.sha256()
    for name, data in sorted(members.items()):
        hasher.update(f"{name}\0{len(data)}\0".encode() + data)
    members = {**members, "DIGEST": hasher.hexdigest().encode()}
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as stream:
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, data in sorted(members.items()):
                info = zipfile.ZipInfo(name, EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, data)
    output.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
