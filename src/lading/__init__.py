"""environment.yml to locked, relocatable, verified tarballs of conda environments.

    import lading

    lading.lock("environment.yml")
    packed = lading.pack("data-service")
    lading.unpack(packed.plan.tarball, "/opt/envs/data-service")
    assert lading.verify("/opt/envs/data-service").is_clean

The commands of the same names call these functions. Results are frozen, every choice is a keyword
argument, and errors are those of `lading.errors`. `lock`, `install` and `pack` need the build side
(`pip install 'lading[build]'`); the others run on a node.

Below them lie the packages, each with a face of its own: `lading.lock` knows how to compare, check,
merge and export lockfiles, `lading.node` prefetches, rolls back and collects garbage, and so on.
"""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports
from lading.version import VERSION

if TYPE_CHECKING:
    from lading import errors as errors
    from lading.api import (
        deploy as deploy,
        install as install,
        lock as lock,
        pack as pack,
        relocate as relocate,
        unpack as unpack,
        verify as verify,
    )
    from lading.format import Manifest as Manifest, open_tarball as open_tarball
    from lading.lock import read_lockfile as read_lockfile
    from lading.node import Store as Store
else:
    __getattr__, __dir__ = lazy_exports(__name__, modules="errors install lock pack verify")

__version__ = VERSION
