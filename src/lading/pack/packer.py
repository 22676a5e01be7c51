"""Pack frames into a tarball, its manifest and its checksums: plan, then apply."""

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from lading.conda import FileMode
from lading.errors import UsageError
from lading.format import (
    RECORD_PATH,
    Format,
    Level,
    Manifest,
    ManifestFile,
    ManifestFrame,
    ManifestList,
    ManifestPackage,
    Relocation,
    Requirements,
    check_members,
    list_path,
    parse_manifest,
    render_ending,
    render_manifest,
    render_record,
)
from lading.install import InstallPlan, PrefixContents
from lading.pack.encode import EncodedFrame, EncodedPackage, Style, encode_package
from lading.pack.environment_scripts import environment_scripts
from lading.pack.frame_cache import KeptPackage
from lading.pack.members import mtime_of, shipped_members
from lading.pack.output import HashedOutput
from lading.pack.publishing import Outputs
from lading.package import Payload, PayloadFile
from lading.system import (
    Digest,
    Progress,
    in_order,
    no_progress,
    sha256_of,
)
from lading.version import VERSION


class Packable(Protocol):
    """An environment whose files, or whose frames, are at hand."""

    @property
    def plan(self) -> InstallPlan:
        """Which environment it is."""

    @property
    def contents(self) -> PrefixContents:
        """What it consists of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """What to pack, and how.

    Attributes:
        installed: A finished installation, or what was made of archives.
        directory: Where the files are written, absolute.
        format: Of the tarball.
        level: Of compression.
        workers: How many packages are worked on at once.
        newest: `SOURCE_DATE_EPOCH`: no member is newer, in Unix seconds; or None.
        self_relocating: Whether its python relocates the environment when it starts.
        frames: Manager and name → the frames of a package that were made before; those of others
            are made of its files.
        prefix: Where the image is mounted that is made; empty for a tarball.
    """

    installed: Packable
    directory: Path
    format: Format = Format.ZSTD
    level: Level = Level.DEFAULT
    workers: int = 2
    newest: int | None = None
    self_relocating: bool = False
    frames: Mapping[tuple[str, str], KeptPackage] = field(default_factory=dict)
    prefix: str = ""

    @property
    def style(self) -> Style:
        """How its frames are made."""
        return Style(format=self.format, level=self.level, newest=self.newest, prefix=self.prefix)

    @property
    def tarball(self) -> Path:
        """Where the tarball will lie: `<environment>-<platform>.<format>`."""
        return self.output_of(self.installed.plan, self.directory, self.format)

    @staticmethod
    def output_of(plan: InstallPlan, directory: Path, suffix: str) -> Path:
        """Where an artifact of an environment would lie in `directory`."""
        return directory / f"{plan.environment}-{plan.lockfile.platform}.{suffix}"


@dataclass(frozen=True, kw_only=True)
class PackPlan(Outputs):
    """What packing will do.

    Attributes:
        request: What was asked for.
        payloads: Of all packages, in the order of the archive.
        environment: The environment's own files, as far as they are known before packing.
    """

    request: PackRequest
    payloads: tuple[Payload, ...]
    environment: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A tarball that was packed.

    Attributes:
        plan: What was to be done.
        manifest: Its bill.
        size: Of the tarball in bytes.
        sha256: Of the tarball.
        manifest_sha256: Of the manifest.
    """

    plan: PackPlan
    manifest: Manifest
    size: int
    sha256: Digest
    manifest_sha256: Digest


def plan_pack(request: PackRequest) -> PackPlan:
    """Plan to pack; nothing is read but what `request` holds.

    Raises:
        UsageError: The platform is one whose environments lading cannot pack.
    """
    platform = request.installed.plan.lockfile.platform
    if platform.is_windows:
        raise UsageError(
            f"environments for {platform} cannot be packed", hint="pack for linux or osx"
        )
    payloads = request.installed.contents.payloads
    return PackPlan(
        request=request,
        payloads=tuple(item for item in payloads if item.manager != "environment"),
        environment=next(payload for payload in payloads if payload.manager == "environment"),
        tarball=request.tarball,
    )


def apply_pack(plan: PackPlan, progress: Progress = no_progress) -> Packed:
    """Pack: write the tarball, the manifest and the checksums, each complete or not at all.

    Raises:
        IntegrityError: A file in the package cache is not what its package says.
        OutputError: The outputs cannot be written.
    """
    with plan.staged() as staging, HashedOutput.opened(staging.stream.fileno()) as output:
        packed = _write(plan, staging.spool, output, progress)
        staging.publish(packed.sha256, render_manifest(packed.manifest))
    return packed


def _write(plan: PackPlan, spool: Path, output: HashedOutput, progress: Progress) -> Packed:
    """Write the tarball: the members of all packages, their lists, the bill."""
    lists: list[bytes] = []
    encoded = []
    with closing(kept_packages(plan, spool, progress)) as packages:
        for payload, kept in packages:
            lists.append(_copy(kept, output))
            _forget(kept, spool)
            encoded.append((payload, kept.encoded))
    for frame in lists:
        output.write(frame)
    manifest = manifest_of(plan, encoded)
    document = render_manifest(manifest)
    # What a reader would refuse is not written.
    parse_manifest(document, "the environment")
    output.write(render_ending(plan.request.format, plan.request.level, manifest, document))
    return Packed(
        plan=plan,
        manifest=manifest,
        size=output.position,
        sha256=output.finish(),
        manifest_sha256=sha256_of(document),
    )


def _copy(kept: KeptPackage, output: HashedOutput) -> bytes:
    """Copy the frames of a package to the tarball; return that of its list, which comes later."""
    encoded = kept.encoded
    with kept.path.open("rb", buffering=0) as source:
        output.copy(source.fileno(), encoded.length - encoded.list_frame.length)
        return os.pread(
            source.fileno(), encoded.list_frame.length, encoded.length - encoded.list_frame.length
        )


def kept_packages(
    plan: PackPlan, spool: Path, progress: Progress
) -> Generator[tuple[Payload, KeptPackage]]:
    """Yield every package of `plan` with its frames in a file, the environment's own files last.

    It is closed by who reads it: threads work behind it.

    Args:
        plan: What to pack.
        spool: Directory for frames that are made now.
        progress: Told of each package.

    Raises:
        IntegrityError: A file in the package cache is not what its package says.
        UnsafePathError: The packages together hold something that must not be written.
        OSError: `spool` cannot be written.
    """
    request = plan.request
    relocations: list[Relocation] = []
    files: list[ManifestFile] = []
    total = len(plan.payloads) + 1
    keep = partial(_keep, spool, request)
    with in_order(keep, plan.payloads, request.workers) as made:
        for number, (payload, kept) in enumerate(zip(plan.payloads, made, strict=True), start=1):
            relocations += kept.encoded.relocations
            files += kept.encoded.files
            yield payload, kept
            progress("pack", number, total)
    last = environment_payload(plan, relocations)
    kept = keep(last)
    check_members([*files, *kept.encoded.files], "the environment")
    yield last, kept
    progress("pack", total, total)


def _keep(spool: Path, request: PackRequest, payload: Payload) -> KeptPackage:
    """The frames of a package that are known, or else made in `spool`."""
    known = request.frames.get((payload.manager, payload.name))
    if known is not None:
        return known
    path = spool / f"{payload.manager}-{payload.name}"
    with path.open("wb") as stream:
        encoded = encode_package(
            shipped_members(payload, request.installed.plan.prefix),
            path=list_path(payload.manager, payload.name),
            mtime=mtime_of(payload.mtime, request.newest),
            style=request.style,
            keep=stream.write,
        )
    return KeptPackage(path=path, encoded=encoded)


def _forget(kept: KeptPackage, spool: Path) -> None:
    """Give the space back that a package took beside the tarball."""
    if kept.path.parent == spool:
        kept.path.unlink()


def environment_payload(plan: PackPlan, relocations: list[Relocation]) -> Payload:
    """The last package: what belongs to the environment as a whole."""
    installed = plan.request.installed
    python = installed.contents.python if plan.request.self_relocating else None
    site_packages = python.site_packages if python is not None else None
    scripts = environment_scripts(installed.contents.payloads, site_packages)
    record = PayloadFile(path=RECORD_PATH, content=render_record(relocations))
    newest = max(payload.mtime for payload in installed.contents.payloads)
    files = sorted((*plan.environment.files, *scripts, record), key=lambda item: item.path)
    return msgspec.structs.replace(plan.environment, mtime=newest, files=tuple(files))


def manifest_of(plan: PackPlan, encoded: Sequence[tuple[Payload, EncodedPackage]]) -> Manifest:
    """The bill of the packages `encoded`, which follow each other in this order."""
    request = plan.request
    lockfile = request.installed.plan.lockfile
    binary = [
        len(item.placeholder.encode())
        for _, package in encoded
        for item in package.relocations
        if item.mode is FileMode.BINARY
    ]
    return Manifest(
        environment=request.installed.plan.environment,
        platform=lockfile.platform,
        lock=lockfile.digest.hex,
        lading=VERSION,
        compressor=request.style.compressor,
        bytecode=request.installed.plan.bytecode,
        requirements=Requirements(
            longest_prefix=min(binary, default=None),
            virtual_packages=dict(lockfile.needed_of_machine),
        ),
        mtime=mtime_of(encoded[-1][0].mtime, request.newest),
        packages=tuple(_placed(encoded)),
    )


def _placed(encoded: Sequence[tuple[Payload, EncodedPackage]]) -> Iterator[ManifestPackage]:
    """The entry of each package: its frames behind those of the one before, its list behind all."""
    place = _Place()
    frames = [tuple(map(place.frame, package.frames)) for _, package in encoded]
    for (payload, package), placed in zip(encoded, frames, strict=True):
        yield ManifestPackage(
            name=payload.name,
            version=payload.version,
            build=payload.build,
            manager=payload.manager,
            url=payload.url,
            sha256=payload.sha256.hex if payload.sha256 else "",
            license=payload.license,
            files=len(package.files),
            size=sum(item.size for item in package.files),
            listed=ManifestList(
                offset=place.next(package.list_frame.length),
                length=package.list_frame.length,
                size=len(package.document),
                sha256=sha256_of(package.document).hex,
                frame_sha256=package.list_frame.sha256,
            ),
            frames=placed,
        )


@dataclass(slots=True)
class _Place:
    """Where the next frame stands in the tarball."""

    position: int = 0

    def next(self, length: int) -> int:
        """Where a frame of `length` bytes begins, which goes there."""
        self.position += length
        return self.position - length

    def frame(self, item: EncodedFrame) -> ManifestFrame:
        """The entry of a frame of members, which goes there."""
        return ManifestFrame(
            offset=self.next(item.length), length=item.length, size=item.size, sha256=item.sha256
        )
