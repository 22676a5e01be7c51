"""The pip part of an environment: wheels installed by uv, made independent of the place.

Wheels are fetched and checked by lading; uv gets a directory of links to exactly these,
`--require-hashes`, no index and no network. What uv writes that depends on the place or the day is
corrected afterwards, in the prefix itself: console scripts find their interpreter beside
themselves, `direct_url.json` and `uv_cache.json` are removed, `RECORD` is written again.
"""

import base64
import csv
import io
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name
from uv import find_uv_bin

from lading.conda import Kind
from lading.errors import (
    ArchiveError,
    EngineFailedError,
    LockError,
    PrefixChangedError,
    PrefixError,
)
from lading.install.bytecode import is_bytecode
from lading.lock import LockedPackage
from lading.package import OWNER_EXECUTE, Payload, PayloadFile, PythonLayout, self_locating_script
from lading.system import Run, remove_tree, run_checked, sha256_of_file

PLACE_DEPENDENT = ("direct_url.json", "uv_cache.json", "uv_build.json")
RECORD_FIELDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PipInstall:
    """Wheels to put into a prefix.

    Attributes:
        wheels: File name → wheel on this machine, absolute, of each of them; digests checked.
        prefix: Absolute; holds the conda part already.
        cache: Directory that is private to uv, absolute.
        editable: Name → source tree of those of `packages` to be linked instead.
    """

    packages: tuple[LockedPackage, ...]
    wheels: Mapping[str, Path]
    prefix: Path
    python: PythonLayout
    cache: Path
    environment: Mapping[str, str]
    editable: Mapping[str, Path] = field(default_factory=dict)


def install_pip_packages(request: PipInstall, workplace: Path) -> None:
    """Install the wheels of `request`.

    `workplace` is a directory that is created for uv to read, and removed afterwards.
    """
    for package in request.packages:
        if not package.file_name.endswith(".whl"):
            raise LockError(
                f"{package.name} {package.version} is locked as {package.file_name}, not a wheel",
                hint="choose a version that has wheels and lock again",
            )
    with suppress(FileNotFoundError):
        remove_tree(workplace)
    workplace.mkdir()
    try:
        _run_uv(request, workplace)
        if request.editable:
            _link_sources(request)
    finally:
        remove_tree(workplace)
    # Only these: a distribution of a conda package is a hard link into the package cache.
    wanted = {canonicalize_name(item.name) for item in request.packages}
    for name, directory in _distributions(request.prefix, request.python).items():
        if name in wanted:
            _normalise(directory, request.prefix, request.python)


def _link_sources(request: PipInstall) -> None:
    """Let the source trees be imported from where they lie; their backends say how (PEP 660)."""
    trees = (word for tree in request.editable.values() for word in ("--editable", str(tree)))
    argv = (
        find_uv_bin(),
        *("pip", "install", "--quiet", "--no-config", "--no-progress", "--no-deps"),
        *("--no-compile-bytecode", "--break-system-packages", "--cache-dir", str(request.cache)),
        *("--python", str(request.prefix / request.python.executable)),
        *trees,
    )
    run_checked(
        Run(argv=argv, environment=request.environment),
        "uv could not link the source trees",
        "install without --editable, or correct what the lines above name",
    )


def _run_uv(request: PipInstall, workplace: Path) -> None:
    packages = [item for item in request.packages if item.name not in request.editable]
    requirements, links = workplace / "requirements.txt", workplace / "wheels"
    links.mkdir()
    for package in packages:
        # A whole cache may hold other wheels of the same version, such as a poisoned one.
        (links / package.file_name).symlink_to(request.wheels[package.file_name])
    requirements.write_text(
        "".join(
            f"{item.name}=={item.version} --hash={item.sha256.algorithm}:{item.sha256.hex}\n"
            for item in packages
        ),
        "utf-8",
    )
    argv = (
        find_uv_bin(),
        *("pip", "install", "--quiet", "--no-config", "--no-progress"),
        *("--no-deps", "--require-hashes", "--no-index", "--offline", "--link-mode", "copy"),
        *("--find-links", str(links), "--only-binary", ":all:"),
        *("--no-compile-bytecode", "--break-system-packages", "--cache-dir", str(request.cache)),
        *("--python", str(request.prefix / request.python.executable)),
        *("--requirements", str(requirements)),
    )
    run_checked(
        Run(argv=argv, environment=request.environment),
        "uv could not install the pip packages of the lock",
        "the lines above name the package; lock again",
    )


def _distributions(prefix: Path, python: PythonLayout) -> dict[str, Path]:
    """Normalised name → `.dist-info` directory."""
    return {
        canonicalize_name(path.name.removesuffix(".dist-info").rpartition("-")[0]): path
        for path in sorted((prefix / python.site_packages).glob("*.dist-info"))
    }


def _normalise(directory: Path, prefix: Path, python: PythonLayout) -> None:
    """Make an installed distribution independent of the place, and correct its RECORD."""
    site_packages = prefix / python.site_packages
    rows = []
    for row in _read_record(directory):
        path = site_packages / row[0]
        if path.parent == directory and path.name in PLACE_DEPENDENT:
            path.unlink(missing_ok=True)
            continue
        if is_bytecode(row[0]):
            # From the wheel; lading compiles its own, or none.
            continue
        if row[1] and _make_self_locating(path, prefix):
            row = [row[0], *_digest_and_size(path)]  # noqa: PLW2901  # the row as it is now
        rows.append(row)
    rows.sort()
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    (directory / "RECORD").write_text(text.getvalue(), "utf-8")


def _read_record(directory: Path) -> list[list[str]]:
    """Read the rows of RECORD: path relative to site-packages, `algorithm=digest`, size.

    Source: the "recording installed projects" specification of the Python packaging guide.
    """
    try:
        with (directory / "RECORD").open(newline="", encoding="utf-8") as stream:
            return [[*row, "", ""][:RECORD_FIELDS] for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EngineFailedError(
            f"{directory.name} has no RECORD that can be read", hint="choose another version of it"
        ) from error


def _digest_and_size(path: Path) -> tuple[str, str]:
    data = path.read_bytes()
    digest = base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(data))


def _make_self_locating(path: Path, prefix: Path) -> bool:
    """Rewrite a script whose first lines name the prefix's python; return whether it was one."""
    if path.resolve().parent != (prefix / "bin").resolve():
        return False
    data = path.read_bytes()
    quoted = re.escape(f"{prefix}/bin/".encode())
    header = re.match(
        rb"#!" + quoted + rb"(python[0-9.]*)\n"
        rb"|#!/bin/sh\n'''exec' ['\"]?"
        + quoted
        + rb"(python[0-9.]*)['\"]? \"\$0\" \"\$@\"\n' '''\n",
        data,
    )
    if header is None:
        return False
    interpreter = (header.group(1) or header.group(2)).decode()
    script = self_locating_script(interpreter, "", data[header.end() :])
    if script is not None:
        path.write_bytes(script)
    return script is not None


def pip_payloads(
    packages: Iterable[LockedPackage], prefix: Path, python: PythonLayout
) -> tuple[Payload, ...]:
    """Read what the pip packages of a lock put into `prefix` from their RECORD files, by name.

    Raises:
        EngineFailedError: A locked package is not installed.
        ArchiveError: A RECORD names a path outside of the prefix.
        PrefixChangedError: A file that a RECORD names is gone.
        PrefixError: Two packages bring a path with different contents.
    """
    found = _distributions(prefix, python)
    recorded: dict[str, tuple[str, str]] = {}
    result = []
    for package in packages:
        directory = found.get(canonicalize_name(package.name))
        if directory is None:
            raise EngineFailedError(
                f"{package.name} is locked but not installed in {prefix}", hint="install again"
            )
        hashes = {
            _prefix_relative(row[0], python): row[1]
            for row in _read_record(directory)
            if not is_bytecode(row[0])
        }
        for path, digest in hashes.items():
            _refuse_contest(
                path, recorded.setdefault(path, (package.name, digest)), package, digest
            )
        result.append(
            Payload(
                name=package.name,
                version=package.version,
                manager="pip",
                url=package.url,
                sha256=package.sha256,
                files=tuple(_payload_file(prefix, path) for path in sorted(hashes)),
            )
        )
    return tuple(sorted(result, key=lambda payload: payload.name))


def _refuse_contest(path: str, first: tuple[str, str], package: LockedPackage, digest: str) -> None:
    """Refuse a path that two distributions bring with different content.

    uv unpacks wheels side by side, so which of them wins is a matter of luck.
    """
    other, recorded = first
    if other != package.name and digest != recorded:
        raise PrefixError(
            f"the pip packages {other} and {package.name} both bring {path}, not the same",
            hint=f"delete {other} or {package.name} from `pip:`, and lock again",
        )


def _prefix_relative(recorded: str, python: PythonLayout) -> str:
    """The path of a RECORD row, relative to the prefix."""
    parts: list[str] = []
    for part in PurePosixPath(python.site_packages, recorded).parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    if not parts or parts[0] in {"/", ".."}:
        raise ArchiveError(f"RECORD names {recorded}, outside of the prefix", hint="do not use it")
    return "/".join(parts)


def _payload_file(prefix: Path, path: str) -> PayloadFile:
    source = prefix / path
    try:
        status = source.stat()
        digest = sha256_of_file(source)
    except OSError as error:
        raise PrefixChangedError(
            f"{source} cannot be read: {error.strerror}", hint="run `lading install --force`"
        ) from error
    return PayloadFile(
        path=path,
        kind=Kind.FILE,
        place=str(source),
        executable=bool(status.st_mode & OWNER_EXECUTE),
        sha256=digest,
        size=status.st_size,
    )
