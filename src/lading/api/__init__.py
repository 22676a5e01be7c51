"""The public functions: what a user asks for, in one call each."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.api.adopting import Adopted as Adopted, adopt as adopt
    from lading.api.asked import (
        chosen_channels as chosen_channels,
        environments_meant as environments_meant,
        expected_virtual_packages as expected_virtual_packages,
        named_platforms as named_platforms,
        project_files_of as project_files_of,
        read_asked as read_asked,
    )
    from lading.api.building import (
        PackChoices as PackChoices,
        check_pack_choices as check_pack_choices,
        install as install,
        install_planned as install_planned,
        pack as pack,
        pack_locked as pack_locked,
        plan_installation as plan_installation,
    )
    from lading.api.checking import verify as verify
    from lading.api.delivery import (
        Relocated as Relocated,
        Unpacked as Unpacked,
        deploy as deploy,
        relocate as relocate,
        unpack as unpack,
    )
    from lading.api.environments import (
        find_lock as find_lock,
        named_environments as named_environments,
        read_graph as read_graph,
        read_one_lock as read_one_lock,
    )
    from lading.api.listing import read_listing as read_listing
    from lading.api.locking import (
        LockChoices as LockChoices,
        conda_lock_of as conda_lock_of,
        lock as lock,
        lock_environments as lock_environments,
        request_of as request_of,
    )
    from lading.api.looking import (
        LockedPlatform as LockedPlatform,
        Outdated as Outdated,
        Overview as Overview,
        find_outdated as find_outdated,
        list_locked as list_locked,
        overview as overview,
    )
    from lading.api.mounting import (
        enter as enter,
        mount as mount,
        store_place as store_place,
        unmount as unmount,
    )
    from lading.api.preflighting import preflight as preflight
    from lading.api.project import (
        Project as Project,
        find_prefix as find_prefix,
        open_project as open_project,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)
