"""What runs on a node: unpack, store, generations, relocate, activation."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.node.activation import (
        Activation as Activation,
        Shell as Shell,
        activated as activated,
        read_activation as read_activation,
        render_hook as render_hook,
        wrapped as wrapped,
    )
    from lading.node.delivery import How as How
    from lading.node.deploy import (
        Deployed as Deployed,
        DeployPlan as DeployPlan,
        apply_deploy as apply_deploy,
        plan_deploy as plan_deploy,
    )
    from lading.node.generations import Generations as Generations
    from lading.node.host import look_at_host as look_at_host, look_at_site as look_at_site
    from lading.node.machine import (
        Verdict as Verdict,
        check_machine as check_machine,
        item_lines as item_lines,
    )
    from lading.node.mounting import (
        Entered as Entered,
        MountedImage as MountedImage,
        enter_image as enter_image,
        mount_image as mount_image,
        tried_ways as tried_ways,
        unmount_image as unmount_image,
    )
    from lading.node.prefetch import (
        apply_prefetch as apply_prefetch,
        lacking as lacking,
        plan_prefetch as plan_prefetch,
    )
    from lading.node.preflight import (
        Preflight as Preflight,
        Subject as Subject,
        Way as Way,
        assess as assess,
    )
    from lading.node.relocate import (
        apply_relocate as apply_relocate,
        known_prefixes as known_prefixes,
        plan_relocate as plan_relocate,
        shipped_digest as shipped_digest,
    )
    from lading.node.sign import codesign_of as codesign_of
    from lading.node.staging import check_prefix as check_prefix
    from lading.node.store import Store as Store
    from lading.node.stored_environment import (
        StoredEnvironment as StoredEnvironment,
        Watch as Watch,
        unwatched as unwatched,
    )
    from lading.node.stored_mounting import (
        enter_stored as enter_stored,
        mount_stored as mount_stored,
    )
    from lading.node.unpack import (
        UnpackPlan as UnpackPlan,
        apply_unpack as apply_unpack,
        plan_unpack as plan_unpack,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)
