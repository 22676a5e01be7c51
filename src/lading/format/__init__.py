"""The tarball, read: bill, headers, frames, relocation record."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.format.bill import (
        CHECKSUMS_SUFFIX as CHECKSUMS_SUFFIX,
        MANIFEST_SUFFIX as MANIFEST_SUFFIX,
        Bill as Bill,
        beside as beside,
        read_bill as read_bill,
    )
    from lading.format.compression import (
        ZSTD_ERROR as ZSTD_ERROR,
        Compressor as Compressor,
        Format as Format,
        Level as Level,
        compressor as compressor,
        decompress_chunks as decompress_chunks,
        describe as describe,
        format_of as format_of,
        open_zstd as open_zstd,
    )
    from lading.format.frame_reader import (
        FETCH_AGAIN as FETCH_AGAIN,
        Frame as Frame,
        Member as Member,
        read_members as read_members,
    )
    from lading.format.image import (
        IMAGE_SUFFIX as IMAGE_SUFFIX,
        Image as Image,
        Label as Label,
        check_image_prefix as check_image_prefix,
        is_image as is_image,
        label_of as label_of,
        parse_image_bill as parse_image_bill,
        read_image as read_image,
        render_label as render_label,
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
    from lading.format.opening import open_tarball as open_tarball
    from lading.format.relocation import (
        LADING_DIRECTORY as LADING_DIRECTORY,
        MANIFEST_PATH as MANIFEST_PATH,
        RECORD_PATH as RECORD_PATH,
        STATE_PATH as STATE_PATH,
        Relocation as Relocation,
        State as State,
        read_record as read_record,
        read_state as read_state,
        render_record as render_record,
        render_state as render_state,
    )
    from lading.format.remote import is_remote as is_remote
    from lading.format.seekable import SeekEntry as SeekEntry, render_tail as render_tail
    from lading.format.tar_header import (
        BLOCK_BYTES as BLOCK_BYTES,
        END_OF_ARCHIVE as END_OF_ARCHIVE,
        Header as Header,
        padding as padding,
        render_header as render_header,
    )
    from lading.format.tarball import TarballSource as TarballSource
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "bill": "CHECKSUMS_SUFFIX MANIFEST_SUFFIX Bill beside read_bill",
            "compression": (
                "ZSTD_ERROR Compressor Format Level compressor decompress_chunks describe "
                "format_of open_zstd"
            ),
            "frame_reader": "FETCH_AGAIN Frame Member read_members",
            "image": (
                "IMAGE_SUFFIX Image Label check_image_prefix is_image label_of parse_image_bill "
                "read_image render_label"
            ),
            "manifest": (
                "FRAME_FORMAT_VERSION FrameSlice Manifest ManifestFile ManifestFrame "
                "ManifestPackage Requirements check_members parse_manifest render_manifest"
            ),
            "opening": "open_tarball",
            "relocation": (
                "LADING_DIRECTORY MANIFEST_PATH RECORD_PATH STATE_PATH Relocation State "
                "read_record read_state render_record render_state"
            ),
            "remote": "is_remote",
            "seekable": "SeekEntry render_tail",
            "tar_header": "BLOCK_BYTES END_OF_ARCHIVE Header padding render_header",
            "tarball": "TarballSource",
        },
    )
