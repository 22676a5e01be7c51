"""Is an image exactly what its bill says? It is read as a stream, not mounted.

A damaged file system is better read by a program than by a kernel. Files that were relocated are
taken back to their shipped content before they are hashed, as those of a prefix are.
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from lading.conda import Kind, restore_placeholder
from lading.errors import (
    EngineFailedError,
    EngineNotFoundError,
    IntegrityError,
    ManifestError,
    NotAPrefixError,
)
from lading.format import (
    MANIFEST_PATH,
    RECORD_PATH,
    STATE_PATH,
    Contents,
    Image,
    ManifestFile,
    Relocation,
    State,
    parse_image_bill,
    parse_record,
    read_contents,
    render_state,
)
from lading.system import (
    CHUNK_BYTES,
    Progress,
    Run,
    in_order,
    no_progress,
    processors,
    read_from,
    sha256_of,
)
from lading.verify.finding import Finding, Report, Rule

READER, CAT = "sqfs2tar", "rdsquashfs"
PACKAGE = "squashfs-tools-ng"
TOLD_EVERY = 1000


def verify_image(
    image: Image, variables: Mapping[str, str], progress: Progress = no_progress
) -> Report:
    """What of `image` is not as the bill inside says; all of it is read, nothing is written.

    Of the environment variables, `PATH` counts; every thousandth member is told to `progress`.

    Raises:
        EngineNotFoundError: The tools that read squashfs are not installed.
        IntegrityError: Its bill cannot be read, or is another one than its label says.
    """
    reader, cat = (_find(name, variables) for name in (READER, CAT))
    contents, record = _read_records(cat, image)
    manifest, digest = contents.bill.manifest, contents.bill.digest.hex
    state = render_state(State(prefix=image.label.prefix, manifest=digest))
    inspector = _Inspector(
        prefix=image.label.prefix.encode(),
        expected={item.path: item for item in contents.files},
        relocations={item.path: item for item in record},
        records={
            MANIFEST_PATH: digest,
            STATE_PATH: sha256_of(state).hex,
            **{item.list_path: item.listed.sha256 for item in manifest.packages},
        },
        owners=contents.owners(),
        progress=progress,
    )
    findings: list[Finding] = []
    try:
        # --no-hard-links: a name that shares its inode is a file all the same.
        argv = (reader, "--no-xattr", "--no-skip", "--no-hard-links", str(image.path))
        with (
            read_from(Run(argv=argv, environment={})) as stream,
            tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK_BYTES) as archive,
        ):
            findings += inspector.findings(archive)
            while stream.read(CHUNK_BYTES):
                pass
        findings += inspector.missing()
    except (EngineFailedError, tarfile.TarError) as error:
        details = error.details if isinstance(error, EngineFailedError) else ()
        findings.append(
            Finding(
                rule=Rule.DAMAGED,
                path=image.path.name,
                message="; ".join(("the file system cannot be read to its end", *details)),
            )
        )
    return Report(
        subject=str(image.path),
        kind="image",
        environment=manifest.environment,
        platform=str(manifest.platform),
        checked=manifest.files,
        findings=tuple(sorted(findings, key=lambda finding: finding.path)),
    )


def _find(name: str, variables: Mapping[str, str]) -> str:
    found = shutil.which(name, path=variables.get("PATH", os.defpath))
    if found is None:
        raise EngineNotFoundError(
            f"there is no {name}, which reads images",
            hint=f"install the package {PACKAGE}, or mount the image and verify that directory",
        )
    return found


def _read_records(program: str, image: Image) -> tuple[Contents, tuple[Relocation, ...]]:
    """What the image should hold, by the bill and the file lists in it; and what was relocated."""

    def content(path: str) -> bytes:
        run = Run(argv=(program, "-c", path, str(image.path)), environment={})
        with read_from(run) as stream:
            return stream.read()

    try:
        bill = parse_image_bill(image, content(MANIFEST_PATH))
        with in_order(content, bill.manifest.own_paths, processors()) as read:
            documents = list(read)
        contents = read_contents(bill, documents, str(image.path))
        return contents, parse_record(content(RECORD_PATH), str(image.path))
    except (EngineFailedError, ManifestError, NotAPrefixError) as error:
        raise IntegrityError(
            f"{image.path} is damaged: its records cannot be read",
            hint="fetch it again",
            details=error.details,
        ) from error


@dataclass(slots=True, kw_only=True)
class _Inspector:
    """Compares members with the bill, and remembers which it saw."""

    prefix: bytes
    expected: dict[str, ManifestFile]
    relocations: Mapping[str, Relocation]
    records: dict[str, str]
    owners: Mapping[str, str]
    progress: Progress

    def findings(self, archive: tarfile.TarFile) -> Iterator[Finding]:
        total = len(self.expected) + len(self.records)
        for number, member in enumerate(archive):
            if number % TOLD_EVERY == 0:
                self.progress("verify", min(number, total - 1), total)
            path = member.name.rstrip("/")
            content = archive.extractfile(member) if member.isreg() else None
            if path in self.records:
                yield from self._of_record(path, content)
            elif path in self.expected:
                yield from self._of_member(member, self.expected.pop(path), content)
            elif not member.isdir():
                yield Finding(rule=Rule.FOREIGN, path=path, message="nothing on the bill")
        self.progress("verify", total, total)

    def missing(self) -> Iterator[Finding]:
        """A finding for each path of the bill that was not seen."""
        for path in (*self.expected, *self.records):
            yield Finding(
                rule=Rule.MISSING, path=path, owner=self.owners.get(path, ""), message="it is gone"
            )

    def _of_record(self, path: str, content: IO[bytes] | None) -> Iterator[Finding]:
        expected = self.records.pop(path)
        found = sha256_of(content.read()).hex if content is not None else "not a file"
        if found != expected:
            yield self._modified(path, "lading's own record was changed", expected, found)

    def _of_member(
        self, member: tarfile.TarInfo, item: ManifestFile, content: IO[bytes] | None
    ) -> Iterator[Finding]:
        path = item.path
        kind = _kind(member)
        if kind is not item.type:
            yield self._modified(
                path, "it has become something else", item.type, str(kind or "something else")
            )
        elif kind is Kind.LINK and member.linkname != item.target:
            yield self._modified(path, "the link leads elsewhere", item.target, member.linkname)
        elif content is not None:
            if f"{member.mode:04o}" != item.mode:
                yield self._modified(path, "its mode was changed", item.mode, f"{member.mode:04o}")
            found = self._digest(path, item, content)
            if found != item.sha256:
                yield self._modified(path, "its content changed", item.sha256, found)

    def _digest(self, path: str, item: ManifestFile, content: IO[bytes]) -> str:
        """The digest of the shipped content, hexadecimal, or why there is none."""
        relocation = self.relocations.get(path) if item.placeholder else None
        if relocation is None:
            hasher = hashlib.sha256()
            while chunk := content.read(CHUNK_BYTES):
                hasher.update(chunk)
            return hasher.hexdigest()
        shipped = restore_placeholder(content.read(), relocation.occurrences, self.prefix)
        return sha256_of(shipped).hex if shipped is not None else "another prefix in it"

    def _modified(self, path: str, message: str, expected: str, found: str) -> Finding:
        return Finding.modified(path, self.owners.get(path, ""), message, expected, found)


def _kind(member: tarfile.TarInfo) -> Kind | None:
    if member.isreg():
        return Kind.FILE
    if member.issym():
        return Kind.LINK
    return Kind.DIRECTORY if member.isdir() else None
