"""The tarball, read: bill, headers, frames, relocation record."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.format.compression import (
        GZIP_MAGIC as GZIP_MAGIC,
        MANIFEST_MAGIC as MANIFEST_MAGIC,
        ZSTD_MAGIC as ZSTD_MAGIC,
        Compressor as Compressor,
        Format as Format,
        Level as Level,
        SeekEntry as SeekEntry,
        compress_manifest as compress_manifest,
        compressor as compressor,
        decompress_chunks as decompress_chunks,
        describe as describe,
        render_seek_table as render_seek_table,
        render_skippable as render_skippable,
    )
    from lading.format.frame_reader import (
        FETCH_AGAIN as FETCH_AGAIN,
        Frame as Frame,
        Member as Member,
        read_members as read_members,
    )
    from lading.format.manifest import (
        FRAME_FORMAT_VERSION as FRAME_FORMAT_VERSION,
        FrameSlice as FrameSlice,
        Manifest as Manifest,
        ManifestFile as ManifestFile,
        ManifestFrame as ManifestFrame,
        ManifestPackage as ManifestPackage,
        Requirements as Requirements,
        check_members as check_members,
        parse_manifest as parse_manifest,
        render_manifest as render_manifest,
    )
    from lading.format.relocation import (
        MANIFEST_PATH as MANIFEST_PATH,
        RECORD_PATH as RECORD_PATH,
        STATE_PATH as STATE_PATH,
        Relocation as Relocation,
        RelocationEntry as RelocationEntry,
        State as State,
        read_record as read_record,
        read_state as read_state,
        render_record as render_record,
        render_state as render_state,
    )
    from lading.format.remote import (
        is_remote as is_remote,
        open_remote_tarball as open_remote_tarball,
    )
    from lading.format.tar_header import (
        BLOCK_BYTES as BLOCK_BYTES,
        END_OF_ARCHIVE as END_OF_ARCHIVE,
        Header as Header,
        padding as padding,
        render_header as render_header,
    )
    from lading.format.tarball import (
        CHECKSUMS_SUFFIX as CHECKSUMS_SUFFIX,
        MANIFEST_SUFFIX as MANIFEST_SUFFIX,
        PipedTarball as PipedTarball,
        Tarball as Tarball,
        TarballSource as TarballSource,
        beside as beside,
        open_bill as open_bill,
        open_manifest as open_manifest,
        open_spooled as open_spooled,
        open_tarball as open_tarball,
    )
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "compression": (
                "GZIP_MAGIC MANIFEST_MAGIC ZSTD_MAGIC Compressor Format Level SeekEntry "
                "compress_manifest compressor decompress_chunks describe render_seek_table "
                "render_skippable"
            ),
            "frame_reader": "FETCH_AGAIN Frame Member read_members",
            "manifest": (
                "FRAME_FORMAT_VERSION FrameSlice Manifest ManifestFile ManifestFrame "
                "ManifestPackage Requirements check_members parse_manifest render_manifest"
            ),
            "relocation": (
                "MANIFEST_PATH RECORD_PATH STATE_PATH Relocation RelocationEntry State "
                "read_record read_state render_record render_state"
            ),
            "remote": "is_remote open_remote_tarball",
            "tar_header": "BLOCK_BYTES END_OF_ARCHIVE Header padding render_header",
            "tarball": (
                "CHECKSUMS_SUFFIX MANIFEST_SUFFIX PipedTarball Tarball TarballSource beside "
                "open_bill open_manifest open_spooled open_tarball"
            ),
        },
    )
