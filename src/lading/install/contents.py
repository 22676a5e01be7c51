"""The contents of an environment: the payload of every package that its lock lists.

They are computed from the lock, the extracted packages and the pip distributions in the prefix.
A finished installation keeps them in a file beside its install record: to pack an environment
again, reading tens of thousands of path entries would take longer than copying cached frames. What
that file says was true when installing ended; each file is compared with its digest again when it
is read for a tarball.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lading.conda import VARIABLES_DIRECTORY, RepodataRecord, refusal_of_variables
from lading.errors import ArchiveError, NotAPrefixError, PrefixError, raised_as
from lading.install.bytecode import Compiler, is_bytecode
from lading.install.pip import pip_payloads
from lading.lock import LockedPackage
from lading.package import (
    Payload,
    PayloadFile,
    PythonLayout,
    conda_payload,
    read_package_info,
    resolve_clobbering,
)
from lading.system import (
    Digest,
    decode_json,
    decode_msgpack,
    read_regular,
    sha256_of,
    sha256_of_file,
    write_atomically,
)

CONTENTS_NAME = "contents.msgpack"

REINSTALL = "run `lading install --force`"

HISTORY = b"==> 1980-01-01 00:00:00 <==\n"
"""`conda-meta/history` must exist for a directory to be a prefix (CEP 32); it says nothing more."""

FROZEN = (
    b'{"message": "This environment was made by lading from a lockfile. Change its environment.yml,'
    b' lock and install it again."}\n'
)
"""`conda-meta/frozen`: installers refuse to change an environment that has it (CEP 22)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CondaPart:
    """What the conda packages of an environment put into a prefix.

    Attributes:
        payloads: In the order of the records; each path belongs to one of them.
        clobbered: Path → all packages that bring it; the last of them provides the file.
        unshared: Where files lie of which a prefix must have a copy of its own, absolute.
    """

    payloads: tuple[Payload, ...]
    python: PythonLayout | None
    clobbered: Mapping[str, tuple[str, ...]]
    unshared: frozenset[str] = frozenset()


class PrefixContents(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All that an environment consists of.

    Attributes:
        payloads: conda packages by name, then pip distributions by name, then the
            environment's own.
        clobbered: Path → all packages that bring it; the last of them provides the file.
    """

    payloads: tuple[Payload, ...]
    python: PythonLayout | None
    clobbered: Mapping[str, tuple[str, ...]]


def read_conda_part(records: Sequence[RepodataRecord], extracted: Mapping[str, Path]) -> CondaPart:
    """Compute what extracted packages put into a prefix.

    `extracted`: distribution string → extracted package directory.
    """
    python = python_layout(records, extracted)
    unshared: set[str] = set()

    def payload(record: RepodataRecord) -> Payload:
        directory = extracted[record.distribution]
        info = read_package_info(directory)
        unshared.update(f"{directory}/{item.path}" for item in info.paths if item.no_link)
        return conda_payload(record, info, directory, python)

    payloads, clobbered = resolve_clobbering(map(payload, records))
    return CondaPart(
        payloads=payloads, python=python, clobbered=clobbered, unshared=frozenset(unshared)
    )


def read_contents(
    conda: CondaPart,
    prefix: Path,
    *,
    compiler: Compiler | None,
    pip: tuple[LockedPackage, ...] = (),
    own: Sequence[Payload] = (),
) -> PrefixContents:
    """Compute the contents of an environment, whose pip part is installed in `prefix`.

    Without `compiler`, bytecode is left out. `own` are files of the project, then those of the
    environment.
    """
    packages = tuple(map(_with_digests, conda.payloads))
    installed = pip_payloads(pip, prefix, conda.python) if conda.python is not None else ()
    payloads: Sequence[Payload] = [*packages, *resolve_clobbering(installed)[0]]
    if compiler is not None:
        payloads = compiler.compile_all(payloads)
    else:
        payloads = [without_bytecode(payload) for payload in payloads]
    return combine_contents(
        payloads[: len(packages)],
        payloads[len(packages) :],
        own or (environment_payload(),),
        conda.python,
        conda.clobbered,
    )


def combine_contents(
    conda: Sequence[Payload],
    pip: Sequence[Payload],
    own: Sequence[Payload],
    python: PythonLayout | None,
    clobbered: Mapping[str, tuple[str, ...]],
) -> PrefixContents:
    """The contents of an environment whose payloads are known.

    `own` are files of the project, then those of the environment; `clobbered`: path → all packages
    that bring it.

    Raises:
        ArchiveError: A package sets a variable with an impossible name.
        PrefixError: Two of different kinds own the same path.
    """
    _refuse_overwritten(conda, pip)
    _refuse_project_files((*conda, *pip), own[:-1])
    payloads = (*sorted(conda, key=lambda payload: payload.name), *pip)
    for payload in payloads:
        _check_variables(payload)
    return PrefixContents(payloads=(*payloads, *own), python=python, clobbered=clobbered)


def _check_variables(payload: Payload) -> None:
    """Refuse a package whose variables no shell can set, or would run."""
    for item in payload.files:
        if not (item.path.startswith(VARIABLES_DIRECTORY) and item.path.endswith(".json")):
            continue
        try:
            data = read_regular(item.place) if item.content is None else item.content
            refusal = refusal_of_variables(decode_json(data, dict[str, str]))
        except (OSError, ValueError) as error:
            refusal = str(error)
        if refusal:
            message = f"{payload.name}: {item.path}: {refusal}"
            raise ArchiveError(message, hint="tell its maintainers")


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
    """The files of the environment as a whole.

    `variables` are kept where conda and micromamba look for them on activation; `adopted` are files
    that link scripts made.
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
    """The names of the conda packages that bring a link script."""
    return tuple(
        payload.name
        for payload in contents.payloads
        if payload.manager == "conda"
        and any(item.path in script_paths(payload.name) for item in payload.files)
    )


def script_paths(name: str) -> tuple[str, ...]:
    """Where a package would have its link scripts, in the order in which they run."""
    return tuple(f"bin/.{name}-{kind}.sh" for kind in ("pre-link", "post-link"))


def _with_digests(payload: Payload) -> Payload:
    """Hash the files of which the package gives no digest, so that a later change is noticed."""
    if all(item.sha256 is not None or not item.place for item in payload.files):
        return payload
    files = tuple(
        msgspec.structs.replace(item, sha256=sha256_of_file(Path(item.place)))
        if item.place and item.sha256 is None
        else item
        for item in payload.files
    )
    return msgspec.structs.replace(payload, files=files)


def without_bytecode(payload: Payload) -> Payload:
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


def _refuse_project_files(packages: Sequence[Payload], project: Sequence[Payload]) -> None:
    owners = {item.path: payload.name for payload in packages for item in payload.files}
    for payload in project:
        for item in payload.files:
            if owners.setdefault(item.path, payload.name) != payload.name:
                raise PrefixError(
                    f"the project's files overwrite {item.path} of {owners[item.path]}",
                    hint="write another `to` under `files` in the configuration, and lock again",
                )


def write_contents_file(directory: Path, contents: PrefixContents) -> Digest:
    """Write the contents into `directory`; return the digest of the file."""
    data = msgspec.msgpack.encode(contents)
    write_atomically(directory / CONTENTS_NAME, data)
    return sha256_of(data)


def read_contents_file(directory: Path, digest: str) -> PrefixContents:
    """Read the contents that were written into `directory`.

    `digest` is that of the file, hexadecimal, as the install record has it.
    """
    path = directory / CONTENTS_NAME
    with raised_as(NotAPrefixError, path, REINSTALL):
        data = path.read_bytes()
    if sha256_of(data).hex != digest:
        raise NotAPrefixError(f"{path} was changed", hint=REINSTALL)
    try:
        return decode_msgpack(data, PrefixContents)
    except msgspec.DecodeError as error:
        raise NotAPrefixError(f"{path} was written by another lading", hint=REINSTALL) from error
