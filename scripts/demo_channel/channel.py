"""The channel: digest of its inputs, parallel build, index, publication.

`<root>/<digest>/` appears under its name only when complete; `<root>/current` is a relative link to
the latest. One process builds at a time (a lock on `<root>/.lock`), the next one finds the result.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import logging
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.version import Version
from rattler.index import index_fs

from demo_channel.archive import compress, write_archive
from demo_channel.bytecode import add_bytecode
from demo_channel.conversion import convert_data, convert_tool, convert_wheel
from demo_channel.development import add_development_files
from demo_channel.elf import RUNTIME_PACKAGES, find_library
from demo_channel.failure import DemoChannelError
from demo_channel.interpreter import list_cargo
from demo_channel.python import build_python, build_python_abi, build_runtime
from demo_channel.requirements import render_depends
from demo_channel.wheels import read_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import PurePosixPath

    from demo_channel.download import WheelList
    from demo_channel.interpreter import Interpreter
    from demo_channel.package import Target
    from demo_channel.wheels import Wheel

_LOG = logging.getLogger(__name__)
FORMAT_VERSION = 1
"""Raised when the same inputs shall give another channel for a reason outside of these sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that shapes the bytes of the channel.

    Attributes:
        interpreter: The base installation.
        cargo: Prefix-relative path to absolute source, of the `python` package.
        runtime: Soname to absolute regular file, of the C runtime packages.
        wheel_list: What was asked for.
        wheels: Absolute path of each wheel to its sha256 in hex.
    """

    interpreter: Interpreter
    cargo: Mapping[PurePosixPath, Path]
    runtime: Mapping[str, Path]
    wheel_list: WheelList
    wheels: Mapping[Path, str]

    @property
    def digest(self) -> str:
        """The first 16 hex digits of the sha256 over all inputs and these sources.

        Files of the machine count by path, size and modification time.
        """
        sources = sorted(Path(__file__).parent.glob("*.*"))
        host = [
            [str(path), source.stat().st_size, source.stat().st_mtime_ns]
            for path, source in [*self.cargo.items(), *self.runtime.items()]
        ]
        value = [
            FORMAT_VERSION,
            [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources],
            asdict(self.wheel_list),
            sorted((path.name, digest) for path, digest in self.wheels.items()),
            self.interpreter.description,
            [self.interpreter.prefixes, asdict(self.interpreter.target)],
            host,
        ]
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def read_inputs(
    interpreter: Interpreter, wheel_list: WheelList, wheels: Mapping[Path, str]
) -> Inputs:
    """The inputs, with what this machine has of Python and of C runtime libraries."""
    libraries = {soname: find_library(soname) for soname in RUNTIME_PACKAGES}
    return Inputs(
        interpreter=interpreter,
        cargo=list_cargo(interpreter),
        runtime={soname: path for soname, path in libraries.items() if path is not None},
        wheel_list=wheel_list,
        wheels=wheels,
    )


def ensure_channel(inputs: Inputs, root: Path, jobs: int) -> Path:
    """The channel of these inputs, built unless it is there.

    Args:
        inputs: What to make it of.
        root: Absolute directory of all channels; made if missing.
        jobs: Number of processes.

    Returns:
        Absolute directory of the channel, that holds `noarch/` and the platform's subdir.

    Raises:
        DemoChannelError: Something cannot be converted.
    """
    root.mkdir(parents=True, exist_ok=True)
    channel = root / inputs.digest
    if not channel.is_dir():
        with _lock(root):
            if not channel.is_dir():
                _build(inputs, root, jobs).replace(channel)
    _point_to(channel)
    return channel


def plan_packages(inputs: Inputs) -> list[tuple[Wheel, tuple[str, ...]]]:
    """Each wheel that becomes a Python package, with its dependencies; biggest first.

    Raises:
        DemoChannelError: A dependency is not in the channel.
    """
    wheels = sorted((read_wheel(path) for path in inputs.wheels), key=lambda w: Version(w.version))
    requires = {wheel.path: [Requirement(text) for text in wheel.requires] for wheel in wheels}
    # Of two versions the newest says what an extra stands for.
    catalogue = {wheel.name: requires[wheel.path] for wheel in wheels}
    environment = {key: str(value) for key, value in default_environment().items()}
    plan = [
        (wheel, render_depends(wheel.name, requires[wheel.path], catalogue, environment))
        for wheel in wheels
    ]
    for wheel, depends in plan:
        for spec in depends:
            if spec.partition(" ")[0] not in catalogue:
                message = f"{wheel.name} needs {spec}, which is not in the channel"
                raise DemoChannelError(
                    message,
                    hint="remove the resolved-*.json file of the wheel cache and run again",
                )
    tools = inputs.wheel_list.tool_names
    return sorted(
        ((wheel, depends) for wheel, depends in plan if wheel.name not in tools),
        key=lambda item: -item[0].path.stat().st_size,
    )


def _build(inputs: Inputs, root: Path, jobs: int) -> Path:
    """A complete channel in a temporary directory of `root`; only for the holder of the lock."""
    for leftover in root.glob(".building-*"):
        shutil.rmtree(leftover)
    channel = Path(tempfile.mkdtemp(prefix=".building-", dir=root))
    try:
        _write_packages(inputs, channel, jobs)
        _LOG.info("indexing")
        _index(channel)
        channel.chmod(0o755)
    except BaseException:
        shutil.rmtree(channel)
        raise
    return channel


def _write_packages(inputs: Inputs, channel: Path, jobs: int) -> None:
    """Every archive of the channel, several at once, the slowest first."""
    target, runtime = inputs.interpreter.target, frozenset(inputs.runtime)
    plan = plan_packages(inputs)
    wheels = [read_wheel(path) for path in inputs.wheels]
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(_write_python, inputs, channel)]
        futures += [
            pool.submit(_write_wheel, wheel, target, depends, runtime, channel)
            for wheel, depends in plan
        ]
        futures += [
            pool.submit(_write_tool, wheel, target, runtime, channel)
            for wheel in wheels
            if wheel.name in inputs.wheel_list.tool_names
        ]
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                _LOG.info("[%d/%d] %s", number, len(futures), future.result().name)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    small = [build_python_abi(target)]
    small += [
        add_development_files(build_runtime(name, path, target))
        for name, path in inputs.runtime.items()
    ]
    for data in inputs.wheel_list.data:
        small += [convert_data(wheel, data) for wheel in wheels if wheel.name == data.wheel]
    for package in small:
        write_archive(package, channel)


def _index(channel: Path) -> None:
    """Write the repodata of each subdir, without the time of indexing and in a fixed order.

    Source: CEP 36.
    """
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False, force=True))
    shutil.rmtree(channel / ".tmp", ignore_errors=True)  # the indexer's own
    for path in channel.glob("*/repodata.json"):
        repodata = json.loads(path.read_bytes())
        for record in repodata["packages.conda"].values():
            record.pop("indexed_timestamp", None)
        data = json.dumps(repodata, indent=1, sort_keys=True).encode() + b"\n"
        path.write_bytes(data)
        path.with_suffix(".json.zst").write_bytes(compress(data))


def _write_python(inputs: Inputs, channel: Path) -> Path:
    """The archive of the `python` package; runs in a process of its own."""
    package = add_development_files(build_python(inputs.interpreter, inputs.cargo))
    return write_archive(add_bytecode(package, inputs.interpreter.target), channel)


def _write_wheel(
    wheel: Wheel, target: Target, depends: tuple[str, ...], runtime: frozenset[str], channel: Path
) -> Path:
    """The archive of one Python package; runs in a process of its own."""
    package = convert_wheel(wheel, target, depends, runtime)
    if package.noarch is None:
        package = add_bytecode(add_development_files(package), target)
    return write_archive(package, channel)


def _write_tool(wheel: Wheel, target: Target, runtime: frozenset[str], channel: Path) -> Path:
    """The archive of one program; runs in a process of its own."""
    return write_archive(convert_tool(wheel, target, runtime), channel)


def _point_to(channel: Path) -> None:
    """Make `current` beside the channel a link to it, in one step."""
    link = channel.with_name("current")
    if link.is_symlink() and str(link.readlink()) == channel.name:
        return
    with tempfile.TemporaryDirectory(prefix=".link-", dir=channel.parent) as temporary:
        fresh = Path(temporary, "current")
        fresh.symlink_to(channel.name)
        fresh.replace(link)


@contextmanager
def _lock(root: Path) -> Iterator[None]:
    """Hold the lock of one directory of channels; waits for its holder."""
    with Path(root, ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
