"""The tarball, read: bill, file lists, headers, frames, relocation record."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.format.bill import (
        CHECKSUMS_SUFFIX as CHECKSUMS_SUFFIX,
        MANIFEST_SUFFIX as MANIFEST_SUFFIX,
        Bill as Bill,
        beside as beside,
        parse_bill as parse_bill,
        read_bill as read_bill,
        read_document as read_document,
    )
    from lading.format.compression import (
        ZSTD_ERROR as ZSTD_ERROR,
        Format as Format,
        Level as Level,
        block_size as block_size,
        compress as compress,
        compress_blocks as compress_blocks,
        crc32 as crc32,
        decompress as decompress,
        describe as describe,
        describe_blocks as describe_blocks,
        open_zstd as open_zstd,
        zstd_content as zstd_content,
    )
    from lading.format.contents import (
        Contents as Contents,
        FrameSlice as FrameSlice,
        PackageContents as PackageContents,
        read_contents as read_contents,
    )
    from lading.format.ending import render_ending as render_ending
    from lading.format.file_list import (
        FETCH_AGAIN as FETCH_AGAIN,
        ManifestFile as ManifestFile,
        check_document as check_document,
        list_path as list_path,
        parse_file_list as parse_file_list,
        render_file_list as render_file_list,
    )
    from lading.format.frame_reader import (
        Frame as Frame,
        Member as Member,
        read_members as read_members,
    )
    from lading.format.frames import (
        FRAME_BYTES as FRAME_BYTES,
        Piece as Piece,
        cut as cut,
        cut_frames as cut_frames,
        list_member as list_member,
    )
    from lading.format.image import (
        IMAGE_SUFFIX as IMAGE_SUFFIX,
        SQUASHFS_MAGIC as SQUASHFS_MAGIC,
        Image as Image,
        Label as Label,
        image_prefix as image_prefix,
        is_image as is_image,
        label_of as label_of,
        parse_image_bill as parse_image_bill,
        read_image as read_image,
        render_label as render_label,
    )
    from lading.format.manifest import (
        FRAME_FORMAT_VERSION as FRAME_FORMAT_VERSION,
        Manifest as Manifest,
        ManifestFrame as ManifestFrame,
        ManifestList as ManifestList,
        ManifestPackage as ManifestPackage,
        Requirements as Requirements,
        parse_manifest as parse_manifest,
        render_manifest as render_manifest,
    )
    from lading.format.members import check_members as check_members
    from lading.format.opening import open_tarball as open_tarball
    from lading.format.places import (
        is_tarball_named as is_tarball_named,
        local_place as local_place,
        tarball_place as tarball_place,
    )
    from lading.format.relocation import (
        LADING_DIRECTORY as LADING_DIRECTORY,
        MANIFEST_PATH as MANIFEST_PATH,
        RECORD_PATH as RECORD_PATH,
        SIGNATURES_PATH as SIGNATURES_PATH,
        STATE_PATH as STATE_PATH,
        Relocation as Relocation,
        State as State,
        parse_record as parse_record,
        read_record as read_record,
        read_signatures as read_signatures,
        read_state as read_state,
        render_record as render_record,
        render_signatures as render_signatures,
        render_state as render_state,
    )
    from lading.format.tar_header import (
        END_OF_ARCHIVE as END_OF_ARCHIVE,
        Header as Header,
        padding as padding,
        render_header as render_header,
    )
    from lading.format.tarball import TarballSource as TarballSource, bill_alone as bill_alone
else:
    __getattr__, __dir__ = lazy_exports(__name__)
