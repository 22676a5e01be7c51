"""The ways of bringing an environment from a store to a program, the fastest first.

An overlay shows the packages as one tree, with the layer of the environment in front of them:
nothing is linked, and no file is made but once the layer. Where the kernel or a site forbids that,
the environment is linked to a place of its own, or copied to another file system.
"""

import os
from pathlib import Path

import msgspec

from lading.node.delivery import How, own_place
from lading.node.keeper import Delivery, Place, Refused
from lading.node.overlay import mount_overlay
from lading.node.staging import check_prefix, check_space, staged_prefix
from lading.node.stored_environment import StoredEnvironment
from lading.system import no_sync


def stored_deliveries(environment: StoredEnvironment) -> tuple[Delivery, ...]:
    """The ways to try for `environment`, in order."""
    return Overlay(environment=environment), Linked(environment=environment)


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """The packages as one tree, at its prefix, in a mount namespace of its own."""

    environment: StoredEnvironment
    name: str = How.OVERLAY

    def check(self) -> None:
        """Without a layer try an empty overlay first: a layer may have 100 MB."""
        held = self.environment.hold()
        if held is not None:
            os.close(held.descriptor)
            return
        from lading.node.host import overlay_refusal  # noqa: PLC0415  # seldom needed

        reason = overlay_refusal()
        if reason:
            raise Refused(reason)

    def deliver(self, scratch: Path) -> Place:
        """Make the layer, if it is missing, and mount; the lock on it goes with this process."""
        given = self.environment
        layers = given.layers()
        user = own_place(given.prefix, scratch)
        mount_overlay(layers, given.prefix, scratch)
        return Place(prefix=given.prefix, namespace=True, user=user, is_right=given.promise.is_kept)

    def end(self, place: Place) -> None:
        """Nothing: the mount ends with its namespace."""


class Linked(msgspec.Struct, frozen=True, kw_only=True):
    """Every file linked to a local disk, or copied, and relocated there."""

    environment: StoredEnvironment
    name: str = How.UNPACK

    def check(self) -> None:
        """It is always possible, as long as there is room."""

    def deliver(self, scratch: Path) -> Place:
        """Assemble it below `scratch`."""
        from lading.node.supply import link_all  # noqa: PLC0415  # not for overlays

        given = self.environment
        manifest = given.source.bill.manifest
        prefix = scratch / given.prefix.name
        check_prefix(prefix, manifest.requirements.longest_prefix)
        if scratch.stat().st_dev != given.store.directory.stat().st_dev:
            check_space(scratch, manifest.size, manifest.files)
        with given.store.in_use():
            contents = given.contents()
            with staged_prefix(contents, prefix, sync=no_sync) as root:
                link_all(given.store, contents, root, prefix, given.workers, lambda *_: None)
        return Place(prefix=prefix)

    def end(self, place: Place) -> None:
        """Nothing: what lies below `scratch` is removed."""
