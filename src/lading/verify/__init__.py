"""Is it exactly what its bill says? Tarballs and prefixes."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.verify.finding import Report as Report, Severity as Severity
    from lading.verify.image import verify_image as verify_image
    from lading.verify.prefix import (
        Thoroughness as Thoroughness,
        read_prefix_manifest as read_prefix_manifest,
        verify_installed as verify_installed,
        verify_unpacked as verify_unpacked,
    )
    from lading.verify.tarball import verify_tarball as verify_tarball
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "finding": "Report Severity",
            "image": "verify_image",
            "prefix": "Thoroughness read_prefix_manifest verify_installed verify_unpacked",
            "tarball": "verify_tarball",
        },
        call="lading.api:verify",
    )
