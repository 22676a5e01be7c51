"""The contents of an environment: the cargo of every package that its lock lists.

They are computed from the lock, the extracted packages and the pip distributions in the prefix; the
same call serves the installer, which writes them, and the packer, which ships them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lading.conda.records import RepodataRecord
from lading.digest import sha256_of
from lading.errors import EngineFailedError, PrefixError
from lading.install.bytecode import Compiler, is_bytecode, place_file
from lading.install.cargo import Cargo, CargoFile, PythonLayout, conda_cargo, resolve_clobbering
from lading.install.package_info import read_package_info
from lading.install.pip import pip_cargoes
from lading.lock.model import LockedPackage

__all__ = [
    "Contents",
    "ContentsRequest",
    "extracted_directories",
    "place_contents",
    "python_layout",
    "read_contents",
]

HISTORY = b"==> 1980-01-01 00:00:00 <==\n"
"""`conda-meta/history` must exist for a directory to be a prefix (CEP 32); it says nothing more."""

INSTALLER_MARKS = ("CACHEDIR.TAG",)
"""What an engine leaves at the top of a prefix that no package owns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentsRequest:
    """Of what the contents are asked.

    Attributes:
        records: The conda part, dependencies first.
        extracted: Distribution string → extracted package directory.
        pip: The pip part.
        prefix: Absolute; holds the pip part.
        compiler: Who makes bytecode, or None to leave it out.
    """

    records: tuple[RepodataRecord, ...]
    extracted: Mapping[str, Path]
    pip: tuple[LockedPackage, ...]
    prefix: Path
    compiler: Compiler | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that an environment consists of.

    Attributes:
        cargoes: conda packages by name, then pip distributions by name, then the environment's own.
        python: Its python, or None.
        clobbered: Path → all its owners, the last of which has it.
    """

    cargoes: tuple[Cargo, ...]
    python: PythonLayout | None
    clobbered: Mapping[str, tuple[str, ...]]


def read_contents(request: ContentsRequest) -> Contents:
    """The contents of an environment.

    Raises:
        ArchiveError: A package is damaged, or needs a python that is not there.
        PrefixError: A pip package and a conda package own the same path.
        EngineFailedError: A pip package is not installed, or bytecode cannot be compiled.
    """
    python = python_layout(request.records, request.extracted)
    conda, clobbered = resolve_clobbering(
        conda_cargo(
            record,
            read_package_info(request.extracted[record.distribution]),
            request.extracted[record.distribution],
            python,
        )
        for record in request.records
    )
    installed = pip_cargoes(request.pip, request.prefix, python) if python is not None else ()
    pip, _ = resolve_clobbering(installed)
    _refuse_overwritten(conda, pip)
    cargoes: Sequence[Cargo] = [*sorted(conda, key=lambda cargo: cargo.name), *pip]
    if request.compiler is not None:
        cargoes = request.compiler.compile_all(cargoes)
    else:
        cargoes = [_without_bytecode(cargo) for cargo in cargoes]
    return Contents(cargoes=(*cargoes, environment_cargo()), python=python, clobbered=clobbered)


def python_layout(
    records: Sequence[RepodataRecord], extracted: Mapping[str, Path]
) -> PythonLayout | None:
    """The layout of the environment's python, or None where it has none."""
    for record in records:
        if record.name == "python" and record.sha256 is not None:
            info = read_package_info(extracted[record.distribution])
            return PythonLayout.of(info, record.sha256)
    return None


def environment_cargo() -> Cargo:
    """What belongs to the environment as a whole."""
    history = CargoFile(
        path="conda-meta/history", content=HISTORY, sha256=sha256_of(HISTORY), size=len(HISTORY)
    )
    return Cargo(name="", version="", manager="environment", files=(history,))


def _without_bytecode(cargo: Cargo) -> Cargo:
    """The cargo without the bytecode that its package ships, which normalised times make stale."""
    return replace(cargo, files=tuple(item for item in cargo.files if not is_bytecode(item.path)))


def _refuse_overwritten(conda: Sequence[Cargo], pip: Sequence[Cargo]) -> None:
    owners = {item.path: cargo.name for cargo in conda for item in cargo.files}
    for cargo in pip:
        for item in cargo.files:
            if item.path in owners:
                raise PrefixError(
                    f"pip package {cargo.name} overwrites {item.path} of {owners[item.path]}",
                    hint=f"delete {cargo.name} from `pip:` or {owners[item.path]} from the"
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


def place_contents(contents: Contents, prefix: Path) -> None:
    """Write into `prefix` what is lading's: generated files and bytecode, and only these.

    Bytecode that engines, uv or running programs left there goes; so do the marks of installers.
    """
    for name in INSTALLER_MARKS:
        (prefix / name).unlink(missing_ok=True)
    expected = set()
    for cargo in contents.cargoes:
        for item in cargo.files:
            if item.content is not None or is_bytecode(item.path):
                place_file(item, prefix)
                expected.add(prefix / item.path)
    for path in prefix.rglob("__pycache__/*.pyc"):
        if path not in expected:
            path.unlink()
