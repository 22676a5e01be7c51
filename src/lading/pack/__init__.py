"""From archives of packages to a tarball, an image or an installer, with its bill."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.pack.encode import Style as Style
    from lading.pack.frame_cache import FrameCache as FrameCache, KeptPackage as KeptPackage
    from lading.pack.image import (
        apply_image as apply_image,
        plan_image as plan_image,
    )
    from lading.pack.installer import (
        INSTALLER_SUFFIX as INSTALLER_SUFFIX,
        apply_installer as apply_installer,
        plan_installer as plan_installer,
    )
    from lading.pack.known_frames import KnownFrames as KnownFrames
    from lading.pack.packer import (
        Packable as Packable,
        Packed as Packed,
        PackPlan as PackPlan,
        PackRequest as PackRequest,
        apply_pack as apply_pack,
        plan_pack as plan_pack,
    )
    from lading.pack.publishing import output_errors as output_errors
    from lading.pack.transcode import Transcoding as Transcoding
else:
    __getattr__, __dir__ = lazy_exports(__name__, call="lading.api:pack")
