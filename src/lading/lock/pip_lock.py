"""The pip part of a lock from the files of other tools, and as `pylock.toml`.

Source: PEP 751 (pylock.toml), as `packaging` reads it; pip's requirements with `--hash`.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from packaging.pylock import (
    Package,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockUnsupportedVersionError,
    PylockValidationError,
)
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import NormalizedName, canonicalize_name

from lading.conda import IN_PROJECT, Platform
from lading.errors import LockError, SpecError, raised_as
from lading.lock.model import LockedPackage, Lockfile, Manager
from lading.lock.pip_options import PipOptions
from lading.lock.requirement import applies, marker_environment, parse_requirement
from lading.system import Digest, YamlError, parse_yaml, read_document, without_credentials

OLDEST_GLIBC = 5
"""The minor version of the oldest glibc that wheels name."""

_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")
_PINNED = re.compile(r"===?([^*,]+)")
_HASH = re.compile(r"--hash[= ]sha256:([0-9a-fA-F]{64})")
_ARM = {"arm64": "arm64", "64": "x86_64"}


LookUp = Callable[[PipOptions, Sequence[str], str], bytes]
"""Options of pip, `NAME==VERSION` lines, version of python → a `pylock.toml` of their wheels."""


def is_pip_lock(path: Path) -> bool:
    """Whether the file at `path` is a pylock.toml, or requirements and no explicit file."""
    if _PYLOCK.fullmatch(path.name):
        return True
    return path.suffix == ".txt" and path.is_file() and b"@EXPLICIT" not in _bytes(path)


def is_environment_file(path: Path) -> bool:
    """Whether the file at `path` is an environment file, and no lock."""
    if path.suffix not in {".yml", ".yaml"} or not path.is_file():
        return False
    try:
        content = parse_yaml(_bytes(path))
    except YamlError:
        # The reader of locks says what is wrong with it.
        return False
    return isinstance(content, dict) and "dependencies" in content and "package" not in content


def _bytes(path: Path) -> bytes:
    try:
        return read_document(path)
    except (OSError, YamlError) as error:
        raise LockError(f"{path}: {error}", hint="name a readable file") from error


def read_pip_lock(path: Path, lock: Lockfile, look_up: LookUp) -> tuple[LockedPackage, ...]:
    """The wheels that the file at `path` names for the python and the platform of `lock`.

    `look_up` is asked only for wheels without URL.

    Raises:
        LockError: It cannot be read, or has no wheel of a package with a SHA-256.
        FetchError: A package index cannot be read.
    """
    python = lock.python
    if not python:
        raise LockError(
            f"{path} is a pip part, and no python is locked for {lock.platform}",
            hint="lock python with conda",
        )
    if _PYLOCK.fullmatch(path.name):
        return tuple(_of_pylock(path, _bytes(path), lock, {}))
    return tuple(_of_requirements(path, lock, look_up))


def _of_pylock(
    path: Path, data: bytes, lock: Lockfile, digests: Mapping[NormalizedName, AbstractSet[str]]
) -> Iterator[LockedPackage]:
    """The wheels of a pylock.toml; of the packages in `digests` those with one of these."""
    with raised_as(
        LockError,
        path,
        "write it again with its tool",
        (ValueError, PylockValidationError, PylockUnsupportedVersionError, PylockSelectError),
    ):
        pylock = Pylock.from_dict(tomllib.loads(data.decode()))
        packages = [_with_digests(path, item, digests.get(item.name)) for item in pylock.packages]
        chosen = list(
            replace(pylock, packages=packages).select(
                environment=marker_environment(lock.platform, lock.python),
                tags=wheel_tags(lock, lock.python),
            )
        )
    for package, archive in chosen:
        if not isinstance(archive, PackageWheel) or not archive.url:
            raise LockError(
                f"{path}: {package.name} has no wheel with a URL for {lock.platform}",
                hint="lock a version with wheels, or take it from a channel",
            )
        names = [str(item["name"]) for item in package.dependencies or ()]
        yield _wheel(
            path,
            package.name,
            str(package.version or archive.url.rpartition("/")[2].split("-")[1]),
            archive.url,
            archive.hashes.get("sha256", ""),
            dict.fromkeys(names, "*"),
        )


def _with_digests(path: Path, item: Package, digests: AbstractSet[str] | None) -> Package:
    """The package with those of its wheels that have one of `digests`; None means any."""
    if digests is None:
        return item
    wheels = [wheel for wheel in item.wheels or () if wheel.hashes.get("sha256") in digests]
    if not wheels:
        raise LockError(
            f"{path}: no wheel of {item.name} {item.version} in the index has one of its digests",
            hint="correct the digests, or find out who changed the file",
        )
    return replace(item, wheels=wheels)


def _of_requirements(path: Path, lock: Lockfile, look_up: LookUp) -> Iterator[LockedPackage]:
    options, digests, pinned = PipOptions(), dict[NormalizedName, AbstractSet[str]](), list[str]()
    try:
        options.read(f"-r {path}", path.parent)
        asked = [(parse_requirement(line), line) for line, _ in options.lines]
    except SpecError as error:
        raise LockError(f"{path}: {error.message}", hint=error.hint or "delete it") from error
    for requirement, line in asked:
        if not applies(requirement, lock.platform, lock.python):
            continue
        hashes = {text.lower() for text in _HASH.findall(line)}
        version = _PINNED.fullmatch(str(requirement.specifier))
        if requirement.url is not None and len(hashes) == 1:
            named = requirement.url.rpartition("/")[2].split("-")[1:2]
            sha256 = hashes.pop()
            yield _wheel(path, requirement.name, "".join(named), requirement.url, sha256, {})
        elif version is not None and hashes:
            digests[canonicalize_name(requirement.name)] = hashes
            pinned.append(f"{requirement.name}=={version[1]}")
        else:
            raise LockError(
                f"{path}: {requirement.name} has neither a URL nor a version with its sha256",
                hint=f"write `{requirement.name}==VERSION --hash=sha256:...`, or put"
                f" `- -r {path.name}` under `pip:` of an environment file and lock that",
            )
    if pinned:
        yield from _of_pylock(path, look_up(options, pinned, lock.python), lock, digests)


def _wheel(  # what a wheel has
    path: Path, name: str, version: str, url: str, sha256: str, dependencies: dict[str, str]
) -> LockedPackage:
    location = url.partition("#")[0]
    if not (sha256 and location.endswith(".whl")):
        raise LockError(
            f"{path}: {name} has no wheel with a sha256", hint="lock a version with wheels"
        )
    return LockedPackage(
        name=canonicalize_name(name),
        version=version,
        manager=Manager.PIP,
        url=without_credentials(location),
        sha256=Digest.sha256(sha256),
        dependencies=dependencies,
    )


def wheel_tags(lock: Lockfile, python: str) -> list[Tag]:
    """The tags of wheels that run where `lock` is installed, the best first."""
    version = [int(part) for part in python.split(".")[:2]]
    platforms = list(_wheel_platforms(lock))
    interpreter = f"cp{version[0]}{version[1]}"
    return [
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, interpreter, platforms),
    ]


def _wheel_platforms(lock: Lockfile) -> Iterator[str]:
    family, _, architecture = lock.platform.value.partition("-")
    machine = marker_environment(lock.platform, "")["platform_machine"]
    targets = lock.virtual_packages
    if family == "linux":
        glibc = int(targets.get("__glibc", "2.28").split(".")[1])
        for number in range(glibc, OLDEST_GLIBC - 1, -1):
            yield f"manylinux_2_{number}_{machine}"
        yield from (f"manylinux{name}_{machine}" for name in ("2014", "2010", "1"))
        yield f"linux_{machine}"
    elif family == "osx":
        major, _, minor = targets.get("__osx", "11.0").partition(".")
        yield from mac_platforms((int(major), int(minor or 0)), _ARM[architecture])
    else:
        yield "win_amd64" if lock.platform is Platform.WIN_64 else "win_arm64"


def export_pylock(lock: Lockfile) -> str:
    """The pip part as a `pylock.toml` for the platform of the lock.

    Raises:
        LockError: There is no pip part.
    """
    pip, python = lock.require_pip(), lock.python
    environment = marker_environment(lock.platform, "")
    marker = " and ".join(
        f"{name} == '{environment[name]}'" for name in ("sys_platform", "platform_machine")
    )
    lines = ['lock-version = "1.0"', f"environments = [{_text(marker)}]"]
    if python:
        minor = ".".join(python.split(".")[:2])
        lines.append(f"requires-python = {_text(f'=={minor}.*')}")
    lines.append('created-by = "lading"')
    names = {canonicalize_name(item.name) for item in pip}
    for item in pip:
        lines += ["", "[[packages]]", *_package_lines(item, names)]
    return "\n".join(lines) + "\n"


def _package_lines(item: LockedPackage, names: AbstractSet[NormalizedName]) -> Iterator[str]:
    yield f"name = {_text(canonicalize_name(item.name))}"
    yield f"version = {_text(item.version)}"
    needed = sorted({canonicalize_name(name) for name in item.dependencies} & names)
    if needed:
        tables = ", ".join(f"{{name = {_text(name)}}}" for name in needed)
        yield f"dependencies = [{tables}]"
    url = item.url.partition("#")[0]
    place = f"url = {_text(url)}"
    if url.startswith(IN_PROJECT):
        place = f"path = {_text(unquote(url.removeprefix('file:')))}"
    archive = (
        f"name = {_text(item.file_name)}, {place}, hashes = {{sha256 = {_text(item.sha256.hex)}}}"
    )
    if item.file_name.endswith(".whl"):
        yield f"wheels = [{{{archive}}}]"
    else:
        yield f"sdist = {{{archive}}}"


def _text(value: str) -> str:
    """A TOML string; JSON's are such, where nothing is escaped by surrogates."""
    return json.dumps(value, ensure_ascii=False)
