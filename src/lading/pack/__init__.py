"""From an installed prefix to a tarball with its bill."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.pack.frame_cache import FrameCache as FrameCache
    from lading.pack.image import (
        ImagePlan as ImagePlan,
        apply_image as apply_image,
        plan_image as plan_image,
    )
    from lading.pack.installer import (
        INSTALLER_SUFFIX as INSTALLER_SUFFIX,
        InstallerPlan as InstallerPlan,
        apply_installer as apply_installer,
        plan_installer as plan_installer,
    )
    from lading.pack.packer import (
        Packed as Packed,
        PackPlan as PackPlan,
        PackRequest as PackRequest,
        apply_pack as apply_pack,
        plan_pack as plan_pack,
    )
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "frame_cache": "FrameCache",
            "image": "ImagePlan apply_image plan_image",
            "installer": "INSTALLER_SUFFIX InstallerPlan apply_installer plan_installer",
            "packer": "PackPlan PackRequest Packed apply_pack plan_pack",
        },
        call="lading.api:pack",
    )
