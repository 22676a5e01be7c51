"""Filling a prefix from a lock; the package cache."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.install.bytecode import is_bytecode as is_bytecode, sources_of as sources_of
    from lading.install.clean import clear_package_cache as clear_package_cache
    from lading.install.contents import (
        PrefixContents as PrefixContents,
        combine_contents as combine_contents,
        environment_payload as environment_payload,
        packages_with_scripts as packages_with_scripts,
        without_bytecode as without_bytecode,
    )
    from lading.install.installer import (
        Installed as Installed,
        apply_install as apply_install,
        read_installed as read_installed,
    )
    from lading.install.layout import WHEELS as WHEELS, BuildTree as BuildTree
    from lading.install.mirror import Mirrored as Mirrored, write_mirror as write_mirror
    from lading.install.package_cache import (
        fetch_archives as fetch_archives,
        place_of_wheel as place_of_wheel,
        wheel_builder as wheel_builder,
    )
    from lading.install.placement import find_foreign as find_foreign
    from lading.install.plan import InstallPlan as InstallPlan, plan_install as plan_install
    from lading.install.private_prefix import PrivatePrefix as PrivatePrefix
    from lading.install.project_files import project_payloads as project_payloads
    from lading.install.record import (
        InstallRecord as InstallRecord,
        read_install_record as read_install_record,
    )
    from lading.install.upgrade import sha256_by_md5 as sha256_by_md5
else:
    __getattr__, __dir__ = lazy_exports(__name__, call="lading.api:install")
