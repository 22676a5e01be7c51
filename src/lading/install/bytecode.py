"""Bytecode of an environment, made once per package and interpreter, and cached.

Installers write time stamps into bytecode, or compile nothing; none compiles reproducibly. So
lading takes what a package brings, where it fits (`lading.package.bytecode`), and compiles the rest
with the environment's own python, into a content-addressed cache that prefixes and tarballs use.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from lading.conda import Kind
from lading.package import BroughtBytecode, Payload, PayloadFile, PythonLayout, with_header
from lading.system import (
    Digest,
    Progress,
    Run,
    decode_json,
    is_temporary_of,
    make_private_directory,
    no_progress,
    remove_stale_temporaries,
    run_checked,
    sha256_of,
    sha256_of_file,
    temporary_directory,
)

FORMAT_VERSION = 2
INDEX_NAME = "index.json"
WORKER = Path(__file__).with_name("compile_worker.py")


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """One compiled file: its prefix-relative path, size in bytes and SHA-256."""

    path: str
    size: int
    sha256: str


def is_bytecode(path: str) -> bool:
    """Whether a prefix-relative path is in the place of bytecode that python makes of a source."""
    return path.endswith(".pyc") and "__pycache__/" in path


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """Compiles packages for one environment.

    Attributes:
        python: The environment's python.
        find_prefix: Where that python runs from, absolute; asked only when something is compiled.
        cache: Directory of the cache, absolute.
        environment: The environment of the worker processes.
        workers: How many packages are compiled at once.
        brought: SHA-256 of a package's archive, hexadecimal → its bytecode that fits.
        progress: Told of each package.
    """

    python: PythonLayout
    find_prefix: Callable[[], Path]
    cache: Path
    environment: Mapping[str, str]
    workers: int
    brought: Mapping[str, tuple[BroughtBytecode, ...]] = field(default_factory=dict)
    progress: Progress = no_progress

    def compile_all(self, payloads: Sequence[Payload]) -> tuple[Payload, ...]:
        """Give the payloads their bytecode, brought or compiled; keep their order.

        Raises:
            EngineFailedError: The environment's python cannot run.
        """
        make_private_directory(self.cache)
        done = 0

        def compiled(payload: Payload) -> Payload:
            nonlocal done
            result = self._compile(payload)
            done += 1
            self.progress("compile", done, len(payloads))
            return result

        with ThreadPoolExecutor(max_workers=self.workers, thread_name_prefix="compile") as pool:
            # The largest first: one of them alone at the end would leave the other cores idle.
            by_size = sorted(payloads, key=lambda payload: -len(sources_of(payload, self.python)))
            keys = [(payload.manager, payload.name) for payload in by_size]
            results = dict(zip(keys, pool.map(compiled, by_size), strict=True))
        return tuple(results[payload.manager, payload.name] for payload in payloads)

    def _compile(self, payload: Payload) -> Payload:
        sources = sources_of(payload, self.python)
        if not sources:
            return payload
        directory = self.cache / self._key(payload, sources)
        entries = _read_entries(directory)
        if entries is None:
            shutil.rmtree(directory, ignore_errors=True)
            entries = self._fill(directory, sources, self._fitting(payload, sources))
        bytecode = [
            PayloadFile(
                path=entry.path,
                place=f"{directory}/{entry.path}",
                sha256=Digest.sha256(entry.sha256),
                size=entry.size,
            )
            for entry in entries
        ]
        kept = [item for item in payload.files if not is_bytecode(item.path)]
        files = sorted([*kept, *bytecode], key=lambda item: item.path)
        return msgspec.structs.replace(payload, files=tuple(files))

    def _key(self, payload: Payload, sources: Sequence[PayloadFile]) -> str:
        parts = [
            FORMAT_VERSION,
            payload.name,
            str(payload.sha256),
            self.python.digest,
            # Clobbering may have taken files away, noarch placed them elsewhere.
            sha256_of("\0".join(item.path for item in sources).encode()).hex,
            sha256_of_file(WORKER).hex,
        ]
        return sha256_of(json.dumps(parts).encode()).hex

    def _fitting(
        self, payload: Payload, sources: Iterable[PayloadFile]
    ) -> dict[str, tuple[PayloadFile, BroughtBytecode]]:
        """Path of a source → the bytecode of it that the package brings, where that fits."""
        if payload.sha256 is None or not self.python.released:
            return {}
        paths = {item.path for item in sources}
        files = {item.path: item for item in payload.files}
        return {
            item.source: (files[item.path], item)
            for item in self.brought.get(payload.sha256.hex, ())
            if item.source in paths and item.path in files
        }

    def _fill(
        self,
        directory: Path,
        sources: Iterable[PayloadFile],
        fitting: Mapping[str, tuple[PayloadFile, BroughtBytecode]],
    ) -> list[_Entry]:
        """Make the bytecode of `sources` in `directory`, which appears only when complete.

        Args:
            directory: In the cache.
            sources: What is compiled, except where it is brought.
            fitting: Path of a source → the bytecode of it that is brought.
        """
        remove_stale_temporaries(self.cache, is_temporary_of("compile"))
        with temporary_directory(self.cache, "compile") as temporary:
            output = temporary / "output"
            output.mkdir()
            for item, brought in fitting.values():
                target = output / item.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(with_header(Path(item.place).read_bytes(), brought.header))
            rest = [item for item in sources if item.path not in fitting]
            compiled = self._compile_sources(rest, temporary, output) if rest else []
            paths = [*compiled, *(item.path for item, _ in fitting.values())]
            entries = [
                _Entry(path, (output / path).stat().st_size, sha256_of_file(output / path).hex)
                for path in sorted(paths)
            ]
            (output / INDEX_NAME).write_bytes(msgspec.json.encode(entries))
            _rename_directory(output, directory)
        return entries

    def _compile_sources(
        self, sources: Iterable[PayloadFile], temporary: Path, output: Path
    ) -> list[str]:
        """Compile `sources` into `output`; return the paths of what was made."""
        job = temporary / "job"
        sources = tuple(sources)
        contents = [_content(item) for item in sources]
        words = [str(output)]
        for item, content in zip(sources, contents, strict=True):
            words += [item.path, str(len(content))]
        with job.open("wb") as stream:
            stream.writelines(f"{word}\0".encode() for word in (*words, ""))
            stream.writelines(contents)
        for directory in {item.path.rpartition("/")[0] for item in sources}:
            (output / directory / "__pycache__").mkdir(parents=True, exist_ok=True)
        executable = str(self.find_prefix() / self.python.executable)
        completed = run_checked(
            Run(
                argv=(executable, "-s", "-S", "-B", str(WORKER), str(job)),
                environment={**self.environment, "PYTHONHASHSEED": "0"},
                directory=temporary,
            ),
            "the environment's python cannot compile bytecode",
            "run `lading verify` on the prefix, or install with --no-bytecode",
        )
        return completed.stdout.split("\0")[:-1]


def _content(item: PayloadFile) -> bytes:
    """The content of a source, at hand or in a file."""
    return Path(item.place).read_bytes() if item.content is None else item.content


def _read_entries(directory: Path) -> list[_Entry] | None:
    """Read the entries of a cached package; None where it is missing or damaged.

    Prefixes hold hard links to its files, so a program of the environment may have changed them.
    """
    try:
        entries = decode_json((directory / INDEX_NAME).read_bytes(), list[_Entry])
        whole = all(sha256_of_file(directory / item.path).hex == item.sha256 for item in entries)
    except (OSError, ValueError):
        return None
    return entries if whole else None


def sources_of(payload: Payload, python: PythonLayout) -> tuple[PayloadFile, ...]:
    """The files that python would compile at import, except those that relocation rewrites.

    Bytecode of a file with a placeholder would still hold the placeholder after relocation.
    """
    roots = (f"lib/python{python.version}/", f"{python.site_packages}/")
    return tuple(
        item
        for item in payload.files
        if item.kind is Kind.FILE
        and item.path.endswith(".py")
        and item.path.startswith(roots)
        and (item.place or item.content is not None)
        and not item.placeholder
    )


def _rename_directory(source: Path, target: Path) -> None:
    """Move `source` to `target`; if another process was faster, its result stands."""
    try:
        os.rename(source, target)  # noqa: PTH104  # Path.rename does the same, less plainly
    except OSError:
        if not (target / INDEX_NAME).exists():
            raise
