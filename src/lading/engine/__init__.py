"""Conda engines, which solve and link: micromamba, and py-rattler in-process."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.engine.bootstrap import (
        BootstrapPlan as BootstrapPlan,
        apply_bootstrap as apply_bootstrap,
        plan_bootstrap as plan_bootstrap,
    )
    from lading.engine.conditional import (
        Present as Present,
        counts_in as counts_in,
        present_packages as present_packages,
    )
    from lading.engine.embedded import EmbeddedEngine as EmbeddedEngine
    from lading.engine.matching import (
        admits as admits,
        compare_versions as compare_versions,
        is_newer as is_newer,
        satisfies as satisfies,
        version_query as version_query,
    )
    from lading.engine.micromamba import MicromambaEngine as MicromambaEngine
    from lading.engine.micromamba_executable import find_micromamba as find_micromamba
    from lading.engine.pixi_lock import (
        PixiEnvironment as PixiEnvironment,
        PixiPackage as PixiPackage,
        parse_pixi_lock as parse_pixi_lock,
    )
    from lading.engine.protocol import (
        LINKING as LINKING,
        Engine as Engine,
        InstallRequest as InstallRequest,
        Offered as Offered,
        Offers as Offers,
        SolveRequest as SolveRequest,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)
