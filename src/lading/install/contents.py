"""The contents of an environment: the payload of every package that its lock lists.

They are computed from the lock, the extracted packages and the pip distributions in the prefix; the
same call serves the installer, which writes them, and the packer, which ships them.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from lading.conda import RepodataRecord
from lading.errors import EngineFailedError, PrefixError
from lading.install.bytecode import Compiler, is_bytecode, place_file
from lading.install.pip import pip_payloads
from lading.install.placement import foreign_paths, place_winner, remove_foreign
from lading.lock import LockedPackage
from lading.package import (
    Payload,
    PayloadFile,
    PythonLayout,
    conda_payload,
    read_package_info,
    resolve_clobbering,
)
from lading.system import sha256_of

__all__ = [
    "ContentsRequest",
    "PrefixContents",
    "environment_payload",
    "extracted_directories",
    "packages_with_scripts",
    "place_contents",
    "python_layout",
    "read_contents",
    "script_paths",
]

HISTORY = b"==> 1980-01-01 00:00:00 <==\n"
"""`conda-meta/history` must exist for a directory to be a prefix (CEP 32); it says nothing more."""

FROZEN = (
    b'{"message": "This environment was made by lading from a lockfile. Change its environment.yml,'
    b' lock and install it again."}\n'
)
"""`conda-meta/frozen`: installers refuse to change an environment that has it (CEP 22)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentsRequest:
    """Of what the contents are asked.

    Attributes:
        records: The conda part, dependencies first.
        extracted: Distribution string → extracted package directory.
        pip: The pip part.
        prefix: Absolute; holds the pip part.
        compiler: Who makes bytecode, or None to leave it out.
        variables: Name → value of what activation sets.
        adopted: What link scripts made.
    """

    records: tuple[RepodataRecord, ...]
    extracted: Mapping[str, Path]
    pip: tuple[LockedPackage, ...]
    prefix: Path
    compiler: Compiler | None
    variables: Mapping[str, str] = field(default_factory=dict)
    adopted: tuple[PayloadFile, ...] = ()


class PrefixContents(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All that an environment consists of.

    Attributes:
        payloads: conda packages by name, then pip distributions by name, then the
            environment's own.
        python: Its python, or None.
        clobbered: Path → all its owners, the last of which has it.
    """

    payloads: tuple[Payload, ...]
    python: PythonLayout | None
    clobbered: Mapping[str, tuple[str, ...]]


def read_contents(request: ContentsRequest) -> PrefixContents:
    """The contents of an environment.

    Raises:
        ArchiveError: A package is damaged, or needs a python that is not there.
        PrefixError: A pip package and a conda package own the same path.
        EngineFailedError: A pip package is not installed, or bytecode cannot be compiled.
    """
    python = python_layout(request.records, request.extracted)
    conda, clobbered = resolve_clobbering(
        conda_payload(
            record,
            read_package_info(request.extracted[record.distribution]),
            request.extracted[record.distribution],
            python,
        )
        for record in request.records
    )
    installed = pip_payloads(request.pip, request.prefix, python) if python is not None else ()
    pip, _ = resolve_clobbering(installed)
    _refuse_overwritten(conda, pip)
    payloads: Sequence[Payload] = [*sorted(conda, key=lambda payload: payload.name), *pip]
    if request.compiler is not None:
        payloads = request.compiler.compile_all(payloads)
    else:
        payloads = [_without_bytecode(payload) for payload in payloads]
    own = environment_payload(request.variables, request.adopted)
    return PrefixContents(payloads=(*payloads, own), python=python, clobbered=clobbered)


def python_layout(
    records: Sequence[RepodataRecord], extracted: Mapping[str, Path]
) -> PythonLayout | None:
    """The layout of the environment's python, or None where it has none."""
    for record in records:
        if record.name == "python" and record.sha256 is not None:
            info = read_package_info(extracted[record.distribution])
            return PythonLayout.of(info, record.sha256)
    return None


def environment_payload(
    variables: Mapping[str, str] | None = None, adopted: Sequence[PayloadFile] = ()
) -> Payload:
    """What belongs to the environment as a whole.

    Args:
        variables: Name → value; kept where conda and micromamba look for them on activation.
        adopted: What link scripts made.
    """
    documents = {"conda-meta/frozen": FROZEN, "conda-meta/history": HISTORY}
    if variables:
        state = {"env_vars": dict(variables), "version": 1}
        documents["conda-meta/state"] = (json.dumps(state, sort_keys=True) + "\n").encode()
    files = [
        PayloadFile(path=path, content=data, sha256=sha256_of(data), size=len(data))
        for path, data in documents.items()
    ]
    files = sorted([*files, *adopted], key=lambda item: item.path)
    return Payload(name="", version="", manager="environment", files=tuple(files))


def packages_with_scripts(contents: PrefixContents) -> tuple[str, ...]:
    """The names of the conda packages that bring a script to be run when they are linked."""
    return tuple(
        payload.name
        for payload in contents.payloads
        if payload.manager == "conda"
        and any(item.path in script_paths(payload.name) for item in payload.files)
    )


def script_paths(name: str) -> tuple[str, ...]:
    """Where a package has its link scripts, in the order in which they run."""
    return tuple(f"bin/.{name}-{kind}.sh" for kind in ("pre-link", "post-link"))


def _without_bytecode(payload: Payload) -> Payload:
    """The payload without its own bytecode, which normalised times make stale."""
    kept = tuple(item for item in payload.files if not is_bytecode(item.path))
    return msgspec.structs.replace(payload, files=kept)


def _refuse_overwritten(conda: Sequence[Payload], pip: Sequence[Payload]) -> None:
    owners = {item.path: payload.name for payload in conda for item in payload.files}
    for payload in pip:
        for item in payload.files:
            if item.path in owners:
                raise PrefixError(
                    f"pip package {payload.name} overwrites {item.path} of {owners[item.path]}",
                    hint=f"delete {payload.name} from `pip:` or {owners[item.path]} from the"
                    " dependencies, and lock again",
                )


def extracted_directories(prefix: Path, records: Sequence[RepodataRecord]) -> dict[str, Path]:
    """Distribution string → where the engine extracted it, from the engine's prefix records.

    Raises:
        EngineFailedError: A prefix record is missing or does not say.
    """
    result: dict[str, Path] = {}
    for record in records:
        path = prefix / f"conda-meta/{record.distribution}.json"
        try:
            document: object = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise EngineFailedError(
                f"the engine left no prefix record of {record.distribution}",
                hint="install with the other engine (--engine), and report this",
            ) from error
        directory = _named_directory(document)
        if directory is None:
            raise EngineFailedError(
                f"the engine does not say where {record.distribution} lies extracted",
                hint="the package cache must stay in place between install and pack",
            )
        result[record.distribution] = directory
    return result


def _named_directory(document: object) -> Path | None:
    """The extracted package directory that a prefix record names, if it is there."""
    if not isinstance(document, dict):
        return None
    link = document.get("link")
    source = link.get("source") if isinstance(link, dict) else None
    for name in (document.get("extracted_package_dir"), source):
        if isinstance(name, str) and name and Path(name, "info/index.json").is_file():
            return Path(name)
    return None


def place_contents(contents: PrefixContents, prefix: Path, placed: Collection[str] = ()) -> None:
    """Make `prefix` equal to its contents where engines do not: what they linked stays.

    Written are generated files, bytecode, of paths that several packages own the last one's, and
    what an engine put elsewhere: micromamba 2.5 does not know where a free-threaded python keeps
    its packages. What nobody owns goes: bytecode that engines, uv or running programs left there,
    marks of installers, what a package that lost a path was given instead.

    Args:
        contents: What is to be there.
        prefix: Absolute.
        placed: Paths that are known to be as they should be.

    Raises:
        PrefixTooLongError: A placeholder has no room for the prefix.
    """
    present = set(foreign_paths(prefix, ()))
    owned = set()
    for payload in contents.payloads:
        for item in payload.files:
            owned.add(item.path)
            if item.path in placed:
                continue
            if item.path in contents.clobbered:
                place_winner(item, prefix)
            elif item.content is not None or is_bytecode(item.path):
                place_file(item, prefix)
            elif item.path not in present:
                place_winner(item, prefix)
    for path in present - owned:
        remove_foreign(prefix, path, owned)
