"""From blocks to an image: the environment as a squashfs file system, relocated to one prefix.

It holds what unpacking a `.tar` of the same environment to that prefix would write, lading's own
records included. The same inputs give the same bytes, however many workers there are.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec

from lading.conda import Kind
from lading.format import (
    IMAGE_SUFFIX,
    MANIFEST_PATH,
    STATE_PATH,
    Bill,
    Format,
    Manifest,
    ManifestFile,
    State,
    image_prefix,
    label_of,
    list_path,
    render_label,
    render_manifest,
    render_state,
)
from lading.node import check_prefix
from lading.pack.encode import EncodedPackage
from lading.pack.frame_cache import KeptPackage
from lading.pack.image_blocks import BlockWriter, ImageBlocks
from lading.pack.members import mtime_of
from lading.pack.output import HashedOutput
from lading.pack.packer import (
    Packed,
    PackPlan,
    PackRequest,
    kept_packages,
    manifest_of,
    plan_pack,
)
from lading.pack.squashfs import FileSystem
from lading.package import Payload
from lading.system import Progress, no_progress, sha256_of


def plan_image(request: PackRequest, prefix: str | None = None) -> PackPlan:
    """What making an image takes; nothing is written.

    Args:
        request: What to pack; its format does not matter. Its frames hold blocks for this prefix.
        prefix: Where the image will be mounted; None means `/opt/lading/<environment>`.

    Returns:
        The plan of the stream, whose outputs are those of the image.

    Raises:
        UsageError: The platform cannot be packed, or nothing can be mounted at `prefix`.
    """
    chosen = image_prefix(prefix, request.installed.plan.environment)
    plan = plan_pack(replace(request, format=Format.TAR, prefix=chosen))
    return replace(plan, tarball=plan.tarball.with_suffix(f".{IMAGE_SUFFIX}"))


def apply_image(plan: PackPlan, progress: Progress = no_progress) -> Packed:
    """Make the image: afterwards image, bill and checksums are there and complete.

    Raises:
        IntegrityError: A file in the package cache is not what its package says.
        PrefixTooLongError: The prefix does not fit into a placeholder of a binary file.
        OutputError: The outputs cannot be written.
    """
    with plan.staged() as staging, HashedOutput.opened(staging.stream.fileno()) as output:
        bill = _write(plan, staging.spool, output, progress)
        output.write(render_label(label_of(bill, output.position)))
        packed = Packed(
            plan=plan,
            manifest=bill.manifest,
            size=output.position,
            sha256=output.finish(),
            manifest_sha256=bill.digest,
        )
        staging.publish(packed.sha256, bill.document)
    return packed


def _write(plan: PackPlan, spool: Path, output: HashedOutput, progress: Progress) -> Bill:
    """Write the file system, from its head on: so it can be hashed meanwhile.

    The head says where the tables are, so where all lies is worked out before.
    """
    with closing(kept_packages(plan, spool, progress)) as made:
        packages = [(payload, kept, _blocks_of(kept)) for payload, kept in made]
    encoded = [(payload, kept.encoded) for payload, kept, _ in packages]
    manifest = _manifest(plan, encoded)
    document = render_manifest(manifest)
    bill = Bill(document=document, digest=sha256_of(document), manifest=manifest)
    file_system = FileSystem(level=plan.request.level)
    for payload, kept, blocks in packages:
        file_system.add(kept.encoded.files, blocks, mtime_of(payload.mtime, plan.request.newest))
    records = _add_records(plan.request, bill, encoded, file_system)
    tables, head = file_system.tables()
    output.write(head)
    for _, kept, blocks in packages:
        with kept.path.open("rb", buffering=0) as source:
            output.copy(source.fileno(), blocks.length)
    output.write(records)
    output.write(tables)
    return bill


def _blocks_of(kept: KeptPackage) -> ImageBlocks:
    if kept.encoded.blocks is None:
        raise ValueError(f"{kept.path} holds frames of a tarball")
    return kept.encoded.blocks


def _add_records(
    request: PackRequest,
    bill: Bill,
    encoded: Sequence[tuple[Payload, EncodedPackage]],
    file_system: FileSystem,
) -> bytes:
    """Add lading's own records, as unpacking would write them; return their blocks."""
    state = State(prefix=request.prefix, manifest=bill.digest.hex)
    records = {
        **{list_path(item.manager, item.name): package.document for item, package in encoded},
        MANIFEST_PATH: bill.document,
        STATE_PATH: render_state(state),
    }
    data: list[bytes] = []
    with BlockWriter.opened(request.level, request.prefix, data.append, 1) as writer:
        for content in records.values():
            writer.write(content)
        blocks = writer.finish()
    files = [ManifestFile(path=path, type=Kind.FILE, mode="0644") for path in records]
    file_system.add(files, blocks, bill.manifest.mtime)
    return b"".join(data)


def _manifest(plan: PackPlan, encoded: Sequence[tuple[Payload, EncodedPackage]]) -> Manifest:
    """The bill of the stream, which names the prefix."""
    manifest = manifest_of(plan, encoded)
    prefix = plan.request.prefix
    requirements = msgspec.structs.replace(manifest.requirements, prefix=prefix)
    check_prefix(Path(prefix), requirements.longest_prefix)
    return msgspec.structs.replace(manifest, requirements=requirements)
