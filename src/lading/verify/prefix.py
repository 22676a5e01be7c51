"""Compare a prefix with its bill, wherever it was relocated to.

The shipped content of relocated files is restored before it is hashed, so one bill serves every
place. An installed prefix, which was never shipped, is compared with its install record.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from lading.conda import Kind, Signature
from lading.errors import ManifestError, NotAPrefixError, raised_as
from lading.format import (
    MANIFEST_PATH,
    SIGNATURES_PATH,
    STATE_PATH,
    Contents,
    Relocation,
    parse_bill,
    read_bill,
    read_contents,
    read_record,
    read_signatures,
    read_state,
)
from lading.node import known_prefixes, shipped_digest
from lading.system import (
    Progress,
    no_progress,
    open_regular,
    read_regular,
    sha256_of,
    sha256_of_stream,
    spread,
)
from lading.verify.finding import Finding, Report, Rule, Severity

if TYPE_CHECKING:
    from lading.install import InstallRecord

PATHS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """What a path must be, by the bill."""

    kind: Kind
    owner: str
    sha256: str = ""
    size: int | None = None
    executable: bool | None = None
    mtime: int | None = None
    target: str = ""
    relocation: Relocation | None = None
    signature: Signature = ()


def read_prefix_contents(prefix: Path, manifest: Path | None) -> Contents:
    """What an unpacked prefix should hold, by its bill and the file lists in it.

    Args:
        prefix: Absolute.
        manifest: The bill to compare with; None means the one that unpacking left in the prefix.

    Raises:
        NotAPrefixError: `prefix` is not an environment.
        ManifestError: There is no bill or list, or one is malformed, or the bill in the prefix was
            changed.
        IntegrityError: A list in the prefix was changed, or lists what must not be written.
    """
    if not (prefix / "conda-meta").is_dir():
        raise NotAPrefixError(
            f"{prefix} is not an environment", hint="name the directory that holds conda-meta"
        )
    path = prefix / MANIFEST_PATH
    if manifest is not None:
        bill = read_bill(manifest)
    else:
        document = _read(path)
        state = read_state(prefix)
        # Where another tool extracted it, there is no state.
        if state is not None and state.manifest != sha256_of(document).hex:
            raise ManifestError(
                f"{path} is not the manifest that was unpacked",
                hint="name the manifest of the tarball with --manifest",
            )
        bill = parse_bill(document, str(path))
    documents = [_read(prefix / package.list_path) for package in bill.manifest.packages]
    return read_contents(bill, documents, str(prefix))


def _read(path: Path) -> bytes:
    with raised_as(ManifestError, path, "unpack the tarball again, or name its manifest"):
        return read_regular(path)


def verify_unpacked(
    prefix: Path,
    contents: Contents,
    *,
    workers: int = 1,
    quick: bool = False,
    progress: Progress = no_progress,
) -> Report:
    """Compare the environment at `prefix` with the bill of its tarball, `workers` looking at once.

    A quick look compares size, mode and time only; contents are not read.

    If the relocation record is missing or damaged, that is a finding, and so is each file that it
    is about, since it cannot be told any more whether they were changed. Where the record of
    shipped signatures is damaged, so is each file that was signed.
    """
    try:
        record = read_record(prefix)
    except NotAPrefixError:
        record = ()
    relocations = {item.path: item for item in record}
    try:
        signatures = read_signatures(prefix)
    except NotAPrefixError:
        signatures = {}
    expected = {
        item.path: _Expected(
            kind=item.type,
            owner=package.package.name,
            sha256=item.sha256,
            size=item.size,
            executable=item.mode == "0755",
            mtime=package.mtime,
            target=item.target,
            relocation=relocations.get(item.path) if item.placeholder else None,
            signature=signatures.get(item.path, ()),
        )
        for package in contents.packages
        for item in package.files
    }
    manifest = contents.bill.manifest
    inspector = _Inspector(
        prefix=prefix,
        known=known_prefixes(prefix, record),
        quick=quick,
        own=frozenset({MANIFEST_PATH, SIGNATURES_PATH, STATE_PATH, *manifest.own_paths}),
    )
    names = ("unpacked prefix", manifest.environment, manifest.platform)
    return _report(inspector, names, expected, workers, progress)


def verify_installed(
    prefix: Path,
    record: "InstallRecord",
    *,
    workers: int = 1,
    quick: bool = False,
    progress: Progress = no_progress,
) -> Report:
    """Compare an installed prefix with its install record; see `verify_unpacked`."""
    expected = {
        item.path: _Expected(
            kind=item.kind, owner=item.owner, sha256=item.sha256, size=item.size, target=item.target
        )
        for item in record.files
    }
    inspector = _Inspector(prefix=prefix, known=(), quick=quick, own=frozenset())
    names = ("installed prefix", record.environment, record.platform)
    return _report(inspector, names, expected, workers, progress)


def _report(
    inspector: "_Inspector",
    names: tuple[str, str, str],
    expected: Mapping[str, _Expected],
    workers: int,
    progress: Progress,
) -> Report:
    """The report on a prefix; `names` are its kind, its environment and its platform."""
    items = list(expected.items())
    parts = [items[start : start + PATHS_AT_ONCE] for start in range(0, len(items), PATHS_AT_ONCE)]
    findings: list[Finding] = []
    done = count(1)

    def compared(found: list[Finding]) -> None:
        findings.extend(found)
        progress("verify", min(next(done) * PATHS_AT_ONCE, len(items)), len(items))

    progress("verify", 0, len(items))
    spread(inspector.findings, parts, workers, compared)
    findings += _foreign_findings(inspector, expected)
    return Report(
        subject=str(inspector.prefix),
        kind=names[0],
        environment=names[1],
        platform=names[2],
        checked=len(expected),
        findings=tuple(sorted(findings, key=lambda finding: finding.path)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inspector:
    """Looks at paths of one prefix.

    Attributes:
        prefix: Absolute.
        known: Prefixes that its files may name, the likeliest first.
        own: Paths of lading's own records, prefix-relative.
    """

    prefix: Path
    known: tuple[bytes, ...]
    quick: bool
    own: frozenset[str]

    def findings(self, items: Iterable[tuple[str, _Expected]]) -> list[Finding]:
        """The findings of `items`."""
        return [finding for path, item in items for finding in self._of_path(path, item)]

    def _of_path(self, path: str, item: _Expected) -> Iterator[Finding]:
        # Text, since a Path for each of tens of thousands takes longer than looking at it.
        place = f"{self.prefix}/{path}"
        try:
            status = os.lstat(place)
            if _kind(status.st_mode) is not item.kind:
                found = str(_kind(status.st_mode) or "neither file nor link nor directory")
                yield Finding.modified(
                    path, item.owner, "its type was changed", str(item.kind), found
                )
            elif item.kind is Kind.LINK:
                target = os.readlink(place)  # noqa: PTH115  # the text as it is
                if target != item.target:
                    yield Finding.modified(
                        path, item.owner, "its target was changed", item.target, target
                    )
            elif item.kind is Kind.FILE:
                yield from self._of_file(path, place, item, status)
        except FileNotFoundError:
            yield Finding(rule=Rule.MISSING, path=path, owner=item.owner, message="it is missing")
        except OSError as error:
            yield Finding.modified(path, item.owner, f"it cannot be read: {error.strerror}", "", "")

    def _of_file(
        self, path: str, place: str, item: _Expected, status: os.stat_result
    ) -> Iterator[Finding]:
        executable = bool(status.st_mode & stat.S_IXUSR)
        if item.executable is not None and executable is not item.executable:
            words = {True: "executable", False: "not executable"}
            yield Finding.modified(
                path, item.owner, "its mode was changed", words[item.executable], words[executable]
            )
        sizes = self._sizes(item)
        if sizes and status.st_size not in sizes:
            expected = " or ".join(f"{size} bytes" for size in sizes)
            yield Finding.modified(
                path, item.owner, "its size was changed", expected, f"{status.st_size} bytes"
            )
        elif not self.quick:
            digest = self._digest(Path(place), item)
            if digest != item.sha256:
                yield Finding.modified(
                    path, item.owner, "its content was changed", item.sha256, digest
                )
        elif item.mtime is not None and int(status.st_mtime) != item.mtime and not item.relocation:
            yield Finding.modified(
                path, item.owner, "its time was changed", str(item.mtime), str(int(status.st_mtime))
            )

    def _sizes(self, item: _Expected) -> tuple[int, ...]:
        """The sizes that the file may have; empty for any."""
        # Another signature has another size.
        if item.size is None or item.signature:
            return ()
        relocation = item.relocation
        if relocation is None:
            return (item.size,)
        names = (*self.known, relocation.placeholder.encode())
        return tuple(dict.fromkeys(map(relocation.size_with, names)))

    def _digest(self, place: Path, item: _Expected) -> str:
        """The digest of the shipped content, hexadecimal, or why there is none."""
        if item.relocation is not None:
            digest = shipped_digest(place, item.relocation, self.known, item.signature)
            return digest or "another prefix in it"
        with open(open_regular(place), "rb", buffering=0) as stream:  # noqa: PTH123
            return sha256_of_stream(stream).hex


def _kind(mode: int) -> Kind | None:
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISLNK(mode):
        return Kind.LINK
    return Kind.DIRECTORY if stat.S_ISDIR(mode) else None


def _foreign_findings(
    inspector: _Inspector, expected: Mapping[str, _Expected]
) -> Iterable[Finding]:
    """Paths that no package owns.

    Bytecode is only noted: python writes it beside sources that relocation changes.
    """
    for path in _paths_below(str(inspector.prefix)):
        if path in expected or path in inspector.own:
            continue
        bytecode = path.endswith(".pyc") and path.rpartition("/")[0].endswith("__pycache__")
        yield Finding(
            rule=Rule.FOREIGN,
            path=path,
            message="python wrote it" if bytecode else "it is not on the bill",
            severity=Severity.NOTE if bytecode else Severity.ERROR,
        )


def _paths_below(root: str) -> Iterator[str]:
    """The paths below a directory of everything but directories, relative to it.

    A directory that cannot be listed counts as empty.
    """
    bases = [""]
    while bases:
        base = bases.pop()
        try:
            entries = list(os.scandir(f"{root}/{base}"))
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                bases.append(f"{base}{entry.name}/")
            else:
                yield base + entry.name
