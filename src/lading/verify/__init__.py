"""Compare tarballs, images and prefixes with their bills.

A report is clean if and only if all of these hold:

1. The bill and its file lists pass the checks of `lading.format.manifest`.
2. Of a tarball: every frame has its digest, every header is the one that the bill demands, every
   file has its digest, and there is nothing else.
3. Of a prefix: every listed path is there, with its type, mode, target and content; relocated files
   are compared in their shipped form.
4. Of a prefix: there is no other path, except bytecode that Python wrote.

A quick look at a prefix takes size, mode and time for the content.
"""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.verify.finding import Report as Report, Severity as Severity
    from lading.verify.image import verify_image as verify_image
    from lading.verify.prefix import (
        read_prefix_contents as read_prefix_contents,
        verify_installed as verify_installed,
        verify_unpacked as verify_unpacked,
    )
    from lading.verify.tarball import verify_tarball as verify_tarball
else:
    __getattr__, __dir__ = lazy_exports(__name__, call="lading.api:verify")
