"""Which wheels: resolved by pip, downloaded once, remembered by name and sha256.

`<directory>/resolved-<digest>.json` remembers the answer to one question (list of requirements,
series of Python, platform), so that a second run needs no network.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from demo_channel.conversion import DataPackage
from demo_channel.failure import DemoChannelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from demo_channel.package import Target

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelList:
    """The content of `wheels.toml`.

    Attributes:
        python: PEP 508 requirements of what is converted with its dependencies.
        tools: The same, of programs; only their executables are taken.
        older: Normalised names that are offered in an older version too.
        data: Packages of plain files.
    """

    python: tuple[str, ...]
    tools: tuple[str, ...]
    older: tuple[str, ...]
    data: tuple[DataPackage, ...]

    @property
    def tool_names(self) -> frozenset[str]:
        """Normalised names of the programs."""
        return frozenset(canonicalize_name(Requirement(tool).name) for tool in self.tools)


def read_wheel_list(path: Path) -> WheelList:
    """The wheel list in one TOML file."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    wheels = document["wheels"]
    return WheelList(
        python=tuple(wheels["python"]),
        tools=tuple(wheels["tools"]),
        older=tuple(wheels["older"]),
        data=tuple(DataPackage(name=name, **table) for name, table in document["data"].items()),
    )


def fetch_wheels(wheels: WheelList, target: Target, directory: Path) -> dict[Path, str]:
    """Every wheel of the channel, on this machine.

    Args:
        wheels: What is wanted.
        target: For which interpreter; must be the running one.
        directory: Absolute; where wheels and answers are kept, made if missing.

    Returns:
        Absolute path to sha256 in hex, sorted by file name.

    Raises:
        DemoChannelError: pip is missing, or finds no solution.
    """
    directory.mkdir(parents=True, exist_ok=True)
    question = json.dumps([asdict(wheels), target.series, target.subdir], sort_keys=True)
    answer = directory / f"resolved-{hashlib.sha256(question.encode()).hexdigest()[:16]}.json"
    if (found := _recall(answer, directory)) is not None:
        return found
    _LOG.info("resolving wheels with pip")
    newest = _run_pip([*wheels.python, *wheels.tools], (), directory)
    pins = _read_versions(newest)
    older = [f"{name}<{pins[name]}" for name in wheels.older]
    fixed = [f"{name}=={version}" for name, version in pins.items() if name not in wheels.older]
    names = {*newest, *_run_pip([*wheels.python, *older], fixed, directory)}
    digests = {name: _hash_file(directory / name) for name in sorted(names)}
    _write_atomically(answer, json.dumps(digests, indent=2).encode() + b"\n")
    return {directory / name: digest for name, digest in digests.items()}


def _recall(answer: Path, directory: Path) -> dict[Path, str] | None:
    """The remembered wheels, if all are still there and unchanged."""
    if not answer.is_file():
        return None
    digests: Mapping[str, str] = json.loads(answer.read_bytes())
    for name, digest in digests.items():
        if not (directory / name).is_file() or _hash_file(directory / name) != digest:
            _LOG.info("%s is missing or was changed", name)
            return None
    return {directory / name: digest for name, digest in digests.items()}


def _run_pip(requirements: Sequence[str], constraints: Sequence[str], directory: Path) -> list[str]:
    """The wheels of one consistent solution, moved into `directory`; sorted file names.

    The user's pip configuration holds: index, mirror, certificates.

    Raises:
        DemoChannelError: pip is missing, or fails.
    """
    if importlib.util.find_spec("pip") is None:
        message = f"{sys.executable} has no pip"
        raise DemoChannelError(message, hint="python -m ensurepip, or uv pip install pip")
    with tempfile.TemporaryDirectory(prefix=".pip-", dir=directory) as temporary:
        pins = Path(temporary, "constraints.txt")
        pins.write_text("".join(f"{line}\n" for line in constraints), encoding="utf-8")
        downloads = Path(temporary, "wheels")
        options = f"--quiet --no-input --only-binary :all: --find-links {directory}".split()
        command = [sys.executable, "-m", "pip", "download", *options]
        command += ["--constraint", str(pins), "--dest", str(downloads), *requirements]
        done = subprocess.run(  # requirements of our own list
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode != 0:
            _LOG.error("%s", done.stdout.strip())
            message = f"pip download ended with {done.returncode}"
            raise DemoChannelError(
                message,
                hint="is the package index reachable? a mirror goes into pip's configuration",
            )
        names = sorted(path.name for path in downloads.glob("*.whl"))
        for name in names:
            (downloads / name).replace(directory / name)
    return names


def _read_versions(names: Iterable[str]) -> dict[str, str]:
    """Normalised name to version, from wheel file names; sorted by name."""
    parsed = (parse_wheel_filename(name) for name in names)
    return dict(sorted((str(name), str(version)) for name, version, *_ in parsed))


def _hash_file(path: Path) -> str:
    """The sha256 of one file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_atomically(path: Path, data: bytes) -> None:
    """Write a file that other processes see whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as stream:
        stream.write(data)
    Path(stream.name).chmod(0o644)
    Path(stream.name).replace(path)
