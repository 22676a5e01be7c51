"""A package archive, conda package or wheel: what it puts into a prefix."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.package.archive import (
        REMEDY as REMEDY,
        Member as Member,
        MemberType as MemberType,
        archive_errors as archive_errors,
        read_info as read_info,
        read_members as read_members,
    )
    from lading.package.bytecode import (
        BroughtBytecode as BroughtBytecode,
        with_header as with_header,
    )
    from lading.package.checks import (
        LARGEST_SOURCE as LARGEST_SOURCE,
        ArchiveCheck as ArchiveCheck,
        CheckedPackage as CheckedPackage,
        KnownInfo as KnownInfo,
        check_environment as check_environment,
        check_packages as check_packages,
        keep_checked as keep_checked,
    )
    from lading.package.entry_points import self_locating_script as self_locating_script
    from lading.package.file_list import (
        ArchiveFiles as ArchiveFiles,
        Unread as Unread,
        list_archive as list_archive,
        list_local as list_local,
    )
    from lading.package.info import (
        INFO_FILES as INFO_FILES,
        PackageInfo as PackageInfo,
        PathEntry as PathEntry,
        parse_package_info as parse_package_info,
        read_package_info as read_package_info,
    )
    from lading.package.payload import (
        OWNER_EXECUTE as OWNER_EXECUTE,
        Payload as Payload,
        PayloadFile as PayloadFile,
        PythonLayout as PythonLayout,
        assemble_payload as assemble_payload,
        check_identity as check_identity,
        check_record as check_record,
        conda_payload as conda_payload,
        placed_path as placed_path,
        resolve_clobbering as resolve_clobbering,
        time_of as time_of,
    )
    from lading.package.script_headers import script_for as script_for
    from lading.package.tar_stream import Content as Content
else:
    __getattr__, __dir__ = lazy_exports(__name__)
