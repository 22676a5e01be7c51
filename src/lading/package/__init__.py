"""A package archive, conda package or wheel: what it puts into a prefix."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.package.entry_points import self_locating_script as self_locating_script
    from lading.package.file_list import (
        DAMAGE as DAMAGE,
        ArchiveFiles as ArchiveFiles,
        Unread as Unread,
        list_local as list_local,
        list_zip as list_zip,
    )
    from lading.package.info import (
        REMEDY as REMEDY,
        PathEntry as PathEntry,
        read_package_info as read_package_info,
    )
    from lading.package.payload import (
        OWNER_EXECUTE as OWNER_EXECUTE,
        Payload as Payload,
        PayloadFile as PayloadFile,
        PythonLayout as PythonLayout,
        conda_payload as conda_payload,
        resolve_clobbering as resolve_clobbering,
    )
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "entry_points": "self_locating_script",
            "file_list": "DAMAGE ArchiveFiles Unread list_local list_zip",
            "info": "REMEDY PathEntry read_package_info",
            "payload": (
                "OWNER_EXECUTE Payload PayloadFile PythonLayout conda_payload resolve_clobbering"
            ),
        },
    )
