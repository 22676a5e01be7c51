"""From a finished installation to an image: the tarball's stream, relocated, as squashfs.

The members are those of a `.tar` of the same environment, with every placeholder replaced by the
prefix of the image, and lading's own records behind them, as unpacking to that prefix would write
them. `tar2sqfs` makes the file system: the same stream gives the same bytes, however many threads
it has. (`mksquashfs -tar` of squashfs-tools 4.5.1 gives other bytes in each run.)
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import IO

import msgspec

from lading.conda import Kind, replace_placeholder
from lading.errors import EngineNotFoundError
from lading.format import (
    CHECKSUMS_SUFFIX,
    END_OF_ARCHIVE,
    IMAGE_SUFFIX,
    MANIFEST_PATH,
    MANIFEST_SUFFIX,
    STATE_PATH,
    Bill,
    Format,
    Header,
    Level,
    Manifest,
    State,
    beside,
    check_image_prefix,
    check_members,
    label_of,
    list_path,
    padding,
    render_header,
    render_label,
    render_manifest,
    render_state,
)
from lading.node import check_prefix
from lading.pack.encode import EncodedPackage, encode_package
from lading.pack.members import ShippedMember, mtime_of, shipped_members
from lading.pack.packer import (
    Packed,
    PackPlan,
    PackRequest,
    environment_payload,
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
    is_temporary_of,
    no_progress,
    remove_stale_temporaries,
    run_checked,
    sha256_of,
    sha256_of_file,
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
        request: What to pack; its format and frame cache do not matter.
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
    # A frame as plain tar is made in the time that copying it from a cache takes.
    stream = replace(request, format=Format.TAR, frame_cache=None)
    plan = plan_pack(stream)
    image = stream.tarball.with_name(f"{stream.tarball.name.removesuffix('.tar')}.{IMAGE_SUFFIX}")
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
        with temporary_file(directory, plan.pack.tarball.name) as (temporary, stream):
            bill = _write_file_system(plan, temporary, progress)
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


def _write_file_system(plan: ImagePlan, path: Path, progress: Progress) -> Bill:
    level, block = _LEVELS[plan.level]
    request = plan.pack.request
    options = "--quiet --force --no-skip --no-xattr --compressor zstd --comp-extra"
    argv = (
        *(plan.program, *options.split(), f"level={level}", "--block-size", str(block)),
        *("--num-jobs", str(request.workers), str(path)),
    )
    # Without variables: SOURCE_DATE_EPOCH would be the time of the file system, which is 0.
    with fed(Run(argv=argv, environment={})) as stream:
        writer = _ImageWriter(stream, os.fsencode(plan.prefix), request)
        encoded = _write_packages(plan.pack, writer, progress)
        manifest = _manifest(plan, encoded)
        document = render_manifest(manifest)
        bill = Bill(document=document, digest=sha256_of(document), manifest=manifest)
        state = State(prefix=plan.prefix, manifest=bill.digest.hex)
        lists = [(list_path(item.manager, item.name), one.document) for item, one in encoded]
        records = ((MANIFEST_PATH, document), (STATE_PATH, render_state(state)))
        for name, content in (*lists, *records):
            writer.write(name, content, manifest.mtime)
        stream.write(END_OF_ARCHIVE)
    return bill


def _write_packages(
    plan: PackPlan, writer: "_ImageWriter", progress: Progress
) -> list[tuple[Payload, EncodedPackage]]:
    """Write the members of all packages; return what the bill says of them."""
    encoded = []
    total = len(plan.payloads) + 1
    for number, payload in enumerate(plan.payloads, start=1):
        encoded.append((payload, writer.package(payload)))
        progress("pack", number, total)
    relocations = [item for _, package in encoded for item in package.relocations]
    last = environment_payload(plan, relocations)
    encoded.append((last, writer.package(last)))
    check_members([item for _, package in encoded for item in package.files], "the environment")
    progress("pack", total, total)
    return encoded


def _manifest(plan: ImagePlan, encoded: Sequence[tuple[Payload, EncodedPackage]]) -> Manifest:
    """The bill of the stream, which names the prefix and what made the image."""
    manifest = manifest_of(plan.pack, encoded)
    requirements = msgspec.structs.replace(manifest.requirements, prefix=plan.prefix)
    check_prefix(Path(plan.prefix), requirements.longest_prefix)
    return msgspec.structs.replace(manifest, requirements=requirements, compressor=plan.compressor)


@dataclass(frozen=True, slots=True)
class _ImageWriter:
    """Writes members to a stream, relocated, while they are encoded as they are shipped."""

    stream: IO[bytes]
    prefix: bytes
    request: PackRequest

    def package(self, payload: Payload) -> EncodedPackage:
        """Write the members of a package; return what its frames would be."""
        mtime = mtime_of(payload.mtime, self.request.newest)
        members = shipped_members(payload, self.request.installed.plan.prefix)
        return encode_package(
            self._written(members, mtime),
            path=list_path(payload.manager, payload.name),
            mtime=mtime,
            style=self.request.style,
            keep=lambda _frame: None,
        )

    def write(self, path: str, content: bytes, mtime: int) -> None:
        """Write a plain file."""
        member = ShippedMember(
            path=path, kind=Kind.FILE, size=len(content), read=lambda: iter((content,))
        )
        for _ in self._file(member, mtime):
            pass

    def _written(self, members: Iterable[ShippedMember], mtime: int) -> Iterator[ShippedMember]:
        for member in members:
            if member.kind is Kind.FILE:
                yield replace(member, read=partial(self._file, member, mtime))
            else:
                self.stream.write(_header(member, 0, mtime))
                yield member

    def _file(self, member: ShippedMember, mtime: int) -> Iterator[bytes]:
        """The content of a file as it is shipped, which is written as it will be, on the way."""
        size = member.size
        if member.occurrences is None:
            self.stream.write(_header(member, size, mtime))
            for chunk in member.read():
                self.stream.write(chunk)
                yield chunk
        else:
            shipped = b"".join(member.read())
            moved = replace_placeholder(shipped, member.occurrences, self.prefix)
            size = len(moved)
            self.stream.write(_header(member, size, mtime) + moved)
            yield shipped
        self.stream.write(padding(size))


def _header(member: ShippedMember, size: int, mtime: int) -> bytes:
    return render_header(
        Header(
            path=member.path,
            kind=member.kind,
            size=size,
            executable=member.executable,
            mtime=mtime,
            target=member.target,
        )
    )
