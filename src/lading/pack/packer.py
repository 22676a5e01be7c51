"""Pack a finished installation into a tarball, its manifest and its checksums: plan, then apply."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from lading.conda import FileMode
from lading.errors import OutputError, UsageError
from lading.format import (
    CHECKSUMS_SUFFIX,
    END_OF_ARCHIVE,
    MANIFEST_SUFFIX,
    RECORD_PATH,
    Format,
    Level,
    Manifest,
    ManifestFile,
    ManifestFrame,
    ManifestPackage,
    Relocation,
    Requirements,
    SeekEntry,
    beside,
    check_members,
    describe,
    render_manifest,
    render_record,
    render_tail,
)
from lading.install import Installed
from lading.pack.encode import EncodedFrame, Encoder, mtime_of
from lading.pack.environment_scripts import environment_scripts
from lading.pack.frame_cache import CachingEncoder, FrameCache
from lading.pack.frames import FramePlan, plan_frames
from lading.package import Payload, PayloadFile
from lading.system import (
    Digest,
    Progress,
    in_order,
    is_temporary_of,
    no_progress,
    remove_stale_temporaries,
    sha256_of,
    temporary_file,
    write_atomically,
)
from lading.version import VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """What to pack, and how.

    Attributes:
        installed: A finished installation.
        directory: Where the files are written, absolute.
        format: Of the tarball.
        level: Of compression.
        workers: How many frames are made at once.
        newest: `SOURCE_DATE_EPOCH`: no member is newer, in Unix seconds; or None.
        frame_cache: Where frames are kept for the next time, or None.
    """

    installed: Installed
    directory: Path
    format: Format = Format.ZSTD
    level: Level = Level.DEFAULT
    workers: int = 2
    newest: int | None = None
    frame_cache: FrameCache | None = None

    @property
    def tarball(self) -> Path:
        """Where the tarball will lie: `<environment>-<platform>.<format>`."""
        plan = self.installed.plan
        name = f"{plan.environment}-{plan.lockfile.platform}.{self.format}"
        return self.directory / name


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPlan:
    """What packing will do.

    Attributes:
        request: What was asked for.
        frames: All but the last, which holds the environment's own files.
        environment: The environment's own files, as far as they are known before packing.
        tarball: Where it will lie.
        manifest: Where its manifest will lie.
        checksums: Where their digests will lie.
    """

    request: PackRequest
    frames: tuple[FramePlan, ...]
    environment: Payload
    tarball: Path
    manifest: Path
    checksums: Path


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
        frames=plan_frames(payload for payload in payloads if payload.manager != "environment"),
        environment=next(payload for payload in payloads if payload.manager == "environment"),
        tarball=request.tarball,
        manifest=beside(request.tarball, MANIFEST_SUFFIX),
        checksums=beside(request.tarball, CHECKSUMS_SUFFIX),
    )


def apply_pack(plan: PackPlan, progress: Progress = no_progress) -> Packed:
    """Pack: write the tarball, the manifest and the checksums, each complete or not at all.

    Raises:
        IntegrityError: A file in the package cache is not what its package says.
        OutputError: The outputs cannot be written.
    """
    request = plan.request
    outputs = (plan.tarball, plan.manifest, plan.checksums)
    with output_errors(plan.tarball):
        request.directory.mkdir(parents=True, exist_ok=True)
        remove_stale_temporaries(
            request.directory, is_temporary_of(*(path.name for path in outputs))
        )
        with temporary_file(request.directory, plan.tarball.name) as (temporary, stream):
            with closing(_HashedOutput(stream)) as output:
                writer = FrameWriter(lambda _payload, frame: output.write(frame.data))
                write_frames(plan, writer, progress)
                output.begin_sync()
                manifest = manifest_of(plan, writer)
                document = render_manifest(manifest)
                if request.format is Format.ZSTD:
                    output.write(render_tail(document, writer.entries()))
                sha256 = output.finish()
            packed = Packed(
                plan=plan,
                manifest=manifest,
                size=output.position,
                sha256=sha256,
                manifest_sha256=sha256_of(document),
            )
            publish(packed, temporary, document)
    return packed


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an error of the disk into one that says what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            hint="free space there, or choose another directory with --output",
        ) from error
    except MemoryError as error:
        raise OutputError(
            f"cannot write {path}: too little memory", hint="pack with fewer --workers"
        ) from error


class _HashedOutput:
    """Writes to a stream in a thread of its own while the caller's thread hashes.

    At most one piece waits to be written. An error of the disk is raised by the next call.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hasher = hashlib.sha256()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="write")
        self._pending: Future[int] | None = None
        self.position = 0

    def write(self, data: bytes) -> None:
        """Append `data`; an earlier piece that could not be written raises here."""
        self._wait()
        self._pending = self._pool.submit(self._stream.write, data)
        self._hasher.update(data)
        self.position += len(data)

    def begin_sync(self) -> None:
        """Start to sync what was written so far, while the caller does something else."""
        self._wait()
        self._pending = self._pool.submit(self._sync)

    def _sync(self) -> int:
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return 0

    def finish(self) -> Digest:
        """Sync everything; return the digest of all that was written."""
        self._wait()
        self._sync()
        return Digest.sha256(self._hasher.hexdigest())

    def close(self) -> None:
        """Write what is pending, and end the thread."""
        self._pool.shutdown(wait=True)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None


@dataclass(slots=True)
class FrameWriter:
    """Writes one frame after the other and remembers where they lie.

    Attributes:
        write: Gets each frame with its payload, in order.
        position: Bytes written so far.
        frames: What was written, with its place.
        files: The members so far.
        relocations: What relocation will rewrite of them.
    """

    write: Callable[[Payload, EncodedFrame], None]
    position: int = 0
    frames: list[tuple[Payload, ManifestFrame]] = field(default_factory=list)
    files: list[ManifestFile] = field(default_factory=list)
    relocations: list[Relocation] = field(default_factory=list)

    def append(self, payload: Payload, frame: EncodedFrame) -> None:
        """Write `frame` and remember it."""
        placed = ManifestFrame(
            offset=self.position,
            length=len(frame.data),
            size=frame.size,
            sha256=frame.sha256.hex,
            files=len(frame.files),
        )
        self.write(payload, frame)
        self.position += len(frame.data)
        self.frames.append((payload, placed))
        self.files += frame.files
        self.relocations += frame.relocations

    def entries(self) -> list[SeekEntry]:
        """The seek table of what was written."""
        return [SeekEntry(frame.length, frame.size) for _, frame in self.frames]


def write_frames(plan: PackPlan, writer: FrameWriter, progress: Progress) -> None:
    """Write every frame of `plan`, the environment's own files last."""
    request = plan.request
    cache = request.frame_cache
    if cache is not None and not cache.open():
        cache = None
    encoder = CachingEncoder(
        encoder=Encoder(
            format=request.format,
            level=request.level,
            prefix=request.installed.plan.prefix,
            newest=request.newest,
        ),
        cache=cache,
    )
    total = len(plan.frames) + 1
    encoded = in_order(encoder.encode, plan.frames, request.workers)
    for number, (frame, result) in enumerate(zip(plan.frames, encoded, strict=True), start=1):
        writer.append(frame.payload, result)
        progress("pack", number, total)
    last = environment_frame(plan, writer.relocations)
    writer.append(last.payload, encoder.encode(last, END_OF_ARCHIVE))
    check_members(writer.files, "the environment")
    if cache is not None:
        cache.prune()
    progress("pack", total, total)


def environment_frame(plan: PackPlan, relocations: list[Relocation]) -> FramePlan:
    """The last frame: what belongs to the environment as a whole."""
    installed = plan.request.installed
    scripts = environment_scripts(installed.contents.payloads)
    record = PayloadFile(path=RECORD_PATH, content=render_record(relocations))
    newest = max(payload.mtime for payload in installed.contents.payloads)
    files = sorted((*plan.environment.files, *scripts, record), key=lambda item: item.path)
    payload = msgspec.structs.replace(plan.environment, mtime=newest, files=tuple(files))
    return FramePlan(payload=payload, members=payload.files, part=0)


def manifest_of(plan: PackPlan, writer: FrameWriter) -> Manifest:
    """The bill of what `writer` wrote."""
    request = plan.request
    lockfile = request.installed.plan.lockfile
    binary = [
        len(item.placeholder.encode())
        for item in writer.relocations
        if item.mode is FileMode.BINARY
    ]
    return Manifest(
        environment=request.installed.plan.environment,
        platform=lockfile.platform,
        lock=lockfile.digest.hex,
        lading=VERSION,
        compressor=describe(request.format, request.level),
        bytecode=request.installed.plan.bytecode,
        requirements=Requirements(
            longest_prefix=min(binary, default=None),
            virtual_packages=dict(lockfile.virtual_packages),
        ),
        packages=_packages(writer.frames, request.newest),
        files=tuple(writer.files),
    )


def _packages(
    frames: Iterable[tuple[Payload, ManifestFrame]], newest: int | None
) -> tuple[ManifestPackage, ...]:
    grouped: dict[tuple[str, str], ManifestPackage] = {}
    for payload, frame in frames:
        key = (payload.manager, payload.name)
        known = grouped.get(key)
        if known is not None:
            grouped[key] = msgspec.structs.replace(known, frames=(*known.frames, frame))
            continue
        grouped[key] = ManifestPackage(
            name=payload.name,
            version=payload.version,
            build=payload.build,
            manager=payload.manager,
            url=payload.url,
            sha256=payload.sha256.hex if payload.sha256 else "",
            license=payload.license,
            mtime=mtime_of(payload, newest),
            frames=(frame,),
        )
    return tuple(grouped.values())


def publish(packed: Packed, temporary: Path, document: bytes) -> None:
    """Rename the outputs to their final names, the checksums last.

    Two packs at once take turns here, so that the three files belong together.
    """
    plan = packed.plan
    checksums = (
        f"{packed.sha256.hex}  {plan.tarball.name}\n"
        f"{packed.manifest_sha256.hex}  {plan.manifest.name}\n"
    )
    temporary.chmod(0o644)
    with _exclusive(plan.tarball.parent):
        plan.checksums.unlink(missing_ok=True)
        temporary.replace(plan.tarball)
        write_atomically(plan.manifest, document, sync=True)
        write_atomically(plan.checksums, checksums.encode(), sync=True)


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Let one process at a time in; the directory itself is locked, so no file is left behind."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
