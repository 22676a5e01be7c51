"""Is a prefix exactly what its bill says, wherever it was relocated to?

Relocated files are taken back to their shipped content before they are hashed, so one bill serves
every place. An installed prefix, which was never shipped, has its own bill.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lading.digest import sha256_of, sha256_of_file
from lading.errors import ManifestError, NotAPrefixError
from lading.install.bill import InstallBill
from lading.install.cargo import Kind
from lading.pack.manifest import Manifest, parse_manifest
from lading.pack.move import known_prefixes, shipped_content
from lading.pack.relocate import Relocation
from lading.pack.relocation_record import MANIFEST_PATH, STATE_PATH, read_record, read_state
from lading.verify.finding import Finding, Report, Rule, Severity

__all__ = ["read_prefix_manifest", "verify_installed", "verify_unpacked"]

OWN_PATHS = frozenset({MANIFEST_PATH, STATE_PATH})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """What a path must be."""

    kind: Kind
    owner: str
    sha256: str = ""
    size: int | None = None
    executable: bool | None = None
    target: str = ""
    relocation: Relocation | None = None


def read_prefix_manifest(prefix: Path, manifest: Path | None) -> Manifest:
    """The bill of an unpacked prefix: the file given, or the one that unpacking left in it.

    Raises:
        NotAPrefixError: `prefix` is no environment.
        ManifestError: There is no bill, or it is malformed.
        IntegrityError: The bill in the prefix was changed.
    """
    if not (prefix / "conda-meta").is_dir():
        raise NotAPrefixError(
            f"{prefix} is no environment", hint="name the directory that holds conda-meta"
        )
    path = manifest or prefix / MANIFEST_PATH
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"{path}: {error.strerror}", hint="name the manifest with --manifest"
        ) from error
    state = read_state(prefix)
    if manifest is None and state is not None and state.manifest != sha256_of(data).hex:
        raise ManifestError(
            f"{path} is not the manifest that was unpacked",
            hint="name the manifest of the tarball with --manifest",
        )
    return parse_manifest(data, str(path))


def verify_unpacked(prefix: Path, manifest: Manifest) -> Report:
    """What of the environment at `prefix` is not as the bill of its tarball says.

    Where the relocation record is missing or damaged, that is a finding; the files that it is about
    are findings as well, since nobody can tell any more whether they were changed.
    """
    try:
        record = read_record(prefix)
    except NotAPrefixError:
        record = ()
    relocations = {item.path: item for item in record}
    expected = {
        item.path: _Expected(
            kind=item.type,
            owner=frame_slice.package.name,
            sha256=item.sha256,
            size=item.size,
            executable=item.mode == "0755",
            target=item.target,
            relocation=relocations.get(item.path) if item.placeholder else None,
        )
        for frame_slice in manifest.slices()
        for item in frame_slice.files
    }
    known = known_prefixes(prefix, record)
    return _report(
        prefix, "unpacked prefix", (manifest.environment, manifest.platform), expected, known
    )


def verify_installed(prefix: Path, bill: InstallBill) -> Report:
    """What of the installed prefix is not as its install bill says."""
    expected = {
        item.path: _Expected(
            kind=item.kind,
            owner=item.owner,
            sha256=item.sha256,
            size=item.size,
            target=item.target,
        )
        for item in bill.files
    }
    return _report(prefix, "installed prefix", (bill.environment, bill.platform), expected, ())


def _report(
    prefix: Path,
    kind: str,
    identity: tuple[str, str],
    expected: Mapping[str, _Expected],
    known: tuple[bytes, ...],
) -> Report:
    findings = [
        finding
        for path, item in expected.items()
        for finding in _path_findings(prefix, path, item, known)
    ]
    findings += _foreign_findings(prefix, expected)
    environment, platform = identity
    return Report(
        subject=str(prefix),
        kind=kind,
        environment=environment,
        platform=platform,
        checked=len(expected),
        findings=tuple(sorted(findings, key=lambda finding: finding.path)),
    )


def _path_findings(
    prefix: Path, path: str, item: _Expected, known: tuple[bytes, ...]
) -> Iterator[Finding]:
    place = prefix / path
    try:
        status = place.lstat()
        if _kind(status.st_mode) is not item.kind:
            found = str(_kind(status.st_mode) or "something else")
            yield _modified(path, item, "it has become something else", str(item.kind), found)
        elif item.kind is Kind.LINK:
            target = os.readlink(place)  # noqa: PTH115  # the text as it is
            if target != item.target:
                yield _modified(path, item, "the link leads elsewhere", item.target, target)
        elif item.kind is Kind.FILE:
            yield from _file_findings(place, path, item, status, known)
    except FileNotFoundError:
        yield Finding(rule=Rule.MISSING, path=path, owner=item.owner, message="it is gone")
    except OSError as error:
        yield _modified(path, item, f"it cannot be read: {error.strerror}", "", "")


def _file_findings(
    place: Path, path: str, item: _Expected, status: os.stat_result, known: tuple[bytes, ...]
) -> Iterator[Finding]:
    executable = bool(status.st_mode & stat.S_IXUSR)
    if item.executable is not None and executable is not item.executable:
        yield _modified(
            path,
            item,
            "its mode was changed",
            "executable" if item.executable else "not executable",
            "executable" if executable else "not executable",
        )
    if item.relocation is not None:
        shipped = shipped_content(place.read_bytes(), item.relocation.occurrences, known)
        digest = sha256_of(shipped).hex if shipped is not None else "another prefix in it"
    elif item.size is not None and status.st_size != item.size:
        yield _modified(
            path, item, "its size changed", f"{item.size} bytes", f"{status.st_size} bytes"
        )
        return
    else:
        digest = sha256_of_file(place).hex
    if digest != item.sha256:
        yield _modified(path, item, "its content changed", item.sha256, digest)


def _modified(path: str, item: _Expected, message: str, expected: str, found: str) -> Finding:
    return Finding(
        rule=Rule.MODIFIED,
        path=path,
        owner=item.owner,
        message=message,
        expected=expected,
        found=found,
    )


def _kind(mode: int) -> Kind | None:
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISLNK(mode):
        return Kind.LINK
    return Kind.DIRECTORY if stat.S_ISDIR(mode) else None


def _foreign_findings(prefix: Path, expected: Mapping[str, _Expected]) -> Iterable[Finding]:
    """Paths that no package owns.

    Bytecode is only noted: python writes it beside sources that relocation changes.
    """
    for directory, subdirectories, names in os.walk(prefix):
        base = os.path.relpath(directory, prefix)
        links = [name for name in subdirectories if Path(directory, name).is_symlink()]
        for name in (*names, *links):
            path = name if base == "." else f"{base}/{name}"
            if path in expected or path in OWN_PATHS:
                continue
            bytecode = path.endswith(".pyc") and base.endswith("__pycache__")
            yield Finding(
                rule=Rule.FOREIGN,
                path=path,
                message="python wrote it" if bytecode else "nothing on the bill",
                severity=Severity.NOTE if bytecode else Severity.ERROR,
            )
