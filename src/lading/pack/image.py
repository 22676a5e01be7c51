"""From frames to an image: the tarball's stream, relocated, as squashfs.

The members are those of a `.tar` of the same environment, with every placeholder replaced by the
prefix of the image, and lading's own records behind them, as unpacking to that prefix would write
them. They come from the frames of a zstd tarball of any level. `tar2sqfs` makes the file system:
the same stream gives the same bytes, however many threads it has. (`mksquashfs -tar` of
squashfs-tools 4.5.1 gives other bytes in each run.)
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import IO

import msgspec

from lading.conda import Occurrences, replace_placeholder
from lading.errors import EngineNotFoundError
from lading.format import (
    CHECKSUMS_SUFFIX,
    END_OF_ARCHIVE,
    IMAGE_SUFFIX,
    MANIFEST_PATH,
    MANIFEST_SUFFIX,
    STATE_PATH,
    Bill,
    Level,
    Manifest,
    Piece,
    State,
    beside,
    check_image_prefix,
    cut_frames,
    decompress,
    label_of,
    list_member,
    list_path,
    padding,
    render_label,
    render_manifest,
    render_state,
)
from lading.node import check_prefix
from lading.pack.encode import EncodedFrame, EncodedPackage
from lading.pack.frame_cache import KeptPackage
from lading.pack.members import mtime_of
from lading.pack.packer import (
    Packed,
    PackPlan,
    PackRequest,
    kept_packages,
    manifest_of,
    output_errors,
    plan_pack,
    publish,
)
from lading.package import Payload
from lading.system import (
    Progress,
    Run,
    fed,
    in_order,
    is_temporary_of,
    no_progress,
    remove_stale_temporaries,
    run_checked,
    sha256_of,
    sha256_of_file,
    temporary_directory,
    temporary_file,
)

PROGRAM = "tar2sqfs"

# (level of zstd, bytes of a block). `data-service` (781 MB) on two cores: 3 gives 257 MB in 1.6 s,
# 6 gives 241 MB in 3.5 s, 9 in blocks of 256 KiB 231 MB in 6.1 s, 15 in blocks of 1 MiB 221 MB in
# 33 s. A block is what the first read of a page costs, so it stays small unless size is all.
_LEVELS = {
    Level.FAST: (3, 128 << 10),
    Level.DEFAULT: (6, 128 << 10),
    Level.SMALL: (15, 1 << 20),
}


@dataclass(frozen=True, kw_only=True)
class ImagePlan:
    """What making an image will do.

    Attributes:
        pack: The stream, and where image, bill and checksums will lie.
        prefix: Where the image will be mounted, absolute.
        program: `tar2sqfs`.
        level: Of compression.
    """

    pack: PackPlan
    prefix: str
    program: str
    level: Level

    @cached_property
    def compressor(self) -> dict[str, str]:
        """What shapes the bytes of the image, for the bill."""
        words = run_checked(
            Run(argv=(self.program, "--version"), environment={}), f"{PROGRAM} --version failed"
        ).stdout.split()
        level, block = _LEVELS[self.level]
        version = next((word for word in words if word[:1].isdigit()), "unknown")
        return {"name": PROGRAM, "version": version, "level": f"zstd {level} block {block}"}


def default_image_prefix(environment: str) -> str:
    """Where an image is mounted unless something else is asked for."""
    return f"/opt/lading/{environment}"


def plan_image(
    request: PackRequest, variables: Mapping[str, str], prefix: str | None = None
) -> ImagePlan:
    """What making an image takes; nothing is written.

    Args:
        request: What to pack; its format is that of its frames alone.
        variables: Environment variables: `PATH`.
        prefix: Where the image will be mounted; None means `/opt/lading/<environment>`.

    Raises:
        UsageError: The platform cannot be packed, or `prefix` is none.
        EngineNotFoundError: There is no `tar2sqfs`.
    """
    chosen = prefix or default_image_prefix(request.installed.plan.environment)
    check_image_prefix(chosen)
    check_prefix(Path(chosen), None)
    program = shutil.which(PROGRAM, path=variables.get("PATH", os.defpath))
    if program is None:
        raise EngineNotFoundError(
            f"there is no {PROGRAM}, which makes images",
            hint="install the package squashfs-tools-ng (Debian, Ubuntu, Fedora, conda-forge)",
        )
    plan = plan_pack(request)
    name = request.tarball.name.removesuffix(str(request.format)) + IMAGE_SUFFIX
    image = request.tarball.with_name(name)
    return ImagePlan(
        pack=replace(
            plan,
            tarball=image,
            manifest=beside(image, MANIFEST_SUFFIX),
            checksums=beside(image, CHECKSUMS_SUFFIX),
        ),
        prefix=chosen,
        program=program,
        level=request.level,
    )


def apply_image(plan: ImagePlan, progress: Progress = no_progress) -> Packed:
    """Make the image: afterwards image, bill and checksums are there and complete.

    Raises:
        IntegrityError: A file in the package cache is not what its package says.
        PrefixTooLongError: The prefix does not fit into a placeholder of a binary file.
        EngineFailedError: `tar2sqfs` failed.
        OutputError: The outputs cannot be written.
    """
    outputs = (plan.pack.tarball, plan.pack.manifest, plan.pack.checksums)
    directory = plan.pack.tarball.parent
    with output_errors(plan.pack.tarball):
        directory.mkdir(parents=True, exist_ok=True)
        remove_stale_temporaries(directory, is_temporary_of(*(path.name for path in outputs)))
        with (
            temporary_directory(directory, plan.pack.tarball.name) as spool,
            temporary_file(directory, plan.pack.tarball.name) as (temporary, stream),
        ):
            bill = _write_file_system(plan, spool, temporary, progress)
            stream.seek(0, os.SEEK_END)
            stream.write(render_label(label_of(bill, stream.tell())))
            stream.flush()
            os.fsync(stream.fileno())
            packed = Packed(
                plan=plan.pack,
                manifest=bill.manifest,
                size=stream.tell(),
                sha256=sha256_of_file(temporary),
                manifest_sha256=bill.digest,
            )
            publish(packed, temporary, bill.document)
    return packed


def _write_file_system(plan: ImagePlan, spool: Path, path: Path, progress: Progress) -> Bill:
    level, block = _LEVELS[plan.level]
    request = plan.pack.request
    options = "--quiet --force --no-skip --no-xattr --compressor zstd --comp-extra"
    argv = (
        *(plan.program, *options.split(), f"level={level}", "--block-size", str(block)),
        *("--num-jobs", str(request.workers), str(path)),
    )
    # Without variables: SOURCE_DATE_EPOCH would be the time of the file system, which is 0.
    with fed(Run(argv=argv, environment={})) as stream:
        encoded = [
            (payload, _write_package(stream, os.fsencode(plan.prefix), request, payload, kept))
            for payload, kept in kept_packages(plan.pack, spool, progress)
        ]
        manifest = _manifest(plan, encoded)
        document = render_manifest(manifest)
        bill = Bill(document=document, digest=sha256_of(document), manifest=manifest)
        state = State(prefix=plan.prefix, manifest=bill.digest.hex)
        lists = [(list_path(item.manager, item.name), one.document) for item, one in encoded]
        records = ((MANIFEST_PATH, document), (STATE_PATH, render_state(state)))
        for name, content in (*lists, *records):
            stream.write(list_member(name, content, manifest.mtime))
        stream.write(END_OF_ARCHIVE)
    return bill


def _manifest(plan: ImagePlan, encoded: Sequence[tuple[Payload, EncodedPackage]]) -> Manifest:
    """The bill of the stream, which names the prefix and what made the image."""
    manifest = manifest_of(plan.pack, encoded)
    requirements = msgspec.structs.replace(manifest.requirements, prefix=plan.prefix)
    check_prefix(Path(plan.prefix), requirements.longest_prefix)
    return msgspec.structs.replace(manifest, requirements=requirements, compressor=plan.compressor)


def _write_package(
    stream: IO[bytes], prefix: bytes, request: PackRequest, payload: Payload, kept: KeptPackage
) -> EncodedPackage:
    """Write the members of a package, relocated.

    Returns:
        What the bill says of it: its frames as those of a `.tar`, whatever they were kept as.
    """
    encoded = kept.encoded
    mtime = mtime_of(payload.mtime, request.newest)
    writer = _Relocating(
        stream=stream,
        prefix=prefix,
        mtime=mtime,
        places={item.path: item.occurrences for item in encoded.relocations},
    )
    plain = []
    frames = _contents(kept, request)
    for pieces, content in zip(cut_frames(encoded.files), frames, strict=True):
        writer.write(pieces, content)
        plain.append(_plain_frame(content))
    path = list_path(payload.manager, payload.name)
    listed = _plain_frame(list_member(path, encoded.document, mtime))
    return msgspec.structs.replace(encoded, frames=tuple(plain), list_frame=listed)


def _contents(kept: KeptPackage, request: PackRequest) -> Iterator[bytes]:
    """What the frames of a package hold, in order."""
    ends = accumulate(frame.length for frame in kept.encoded.frames)
    places = list(zip(kept.encoded.frames, ends, strict=True))
    with kept.path.open("rb", buffering=0) as source:

        def content(place: tuple[EncodedFrame, int]) -> bytes:
            frame, end = place
            data = os.pread(source.fileno(), frame.length, end - frame.length)
            return decompress(request.format, data, frame.size)

        yield from in_order(content, places, 1)


def _plain_frame(content: bytes) -> EncodedFrame:
    return EncodedFrame(length=len(content), size=len(content), sha256=sha256_of(content).hex)


@dataclass(slots=True, kw_only=True)
class _Relocating:
    """Writes the stream of a package; files with a placeholder name the prefix instead.

    Attributes:
        stream: Where to.
        prefix: Of the image.
        mtime: Of the members, in Unix seconds.
        places: Path → where a file has its placeholder.
        held: What has come of such a file so far.
    """

    stream: IO[bytes]
    prefix: bytes
    mtime: int
    places: Mapping[str, Occurrences]
    held: bytearray = field(default_factory=bytearray)

    def write(self, pieces: Sequence[Piece], content: bytes) -> None:
        """Write the pieces of members that a frame holds."""
        view = memoryview(content)
        position = written = 0
        for piece in pieces:
            stop = position + piece.stop - piece.start
            where = self.places.get(piece.file.path)
            if where is not None:
                self.stream.write(view[written:position])
                self.held += view[position:stop]
                written = stop
                self._end_member(piece, where)
            position = stop
        self.stream.write(view[written:])

    def _end_member(self, piece: Piece, where: Occurrences) -> None:
        """Write a file with a placeholder, unless more of it is to come."""
        item = piece.file
        if piece.stop < piece.header + item.size:
            return
        shipped = bytes(self.held[piece.header : piece.header + item.size])
        self.held.clear()
        moved = replace_placeholder(shipped, where, self.prefix)
        header = msgspec.structs.replace(item, size=len(moved)).header(self.mtime)
        self.stream.write(header + moved + padding(len(moved)))
