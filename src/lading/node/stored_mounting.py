"""Environments of a store: enter one to run a program in it, mount one for people."""

import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from lading.node.delivery import How
from lading.node.keeper import Refused
from lading.node.mounting import Entered, MountedImage, enter_by, mount_by
from lading.node.overlay import mount_overlay
from lading.node.stored_delivery import stored_deliveries
from lading.node.stored_environment import StoredEnvironment, Watch, unwatched


def enter_stored(
    environment: StoredEnvironment,
    variables: Mapping[str, str],
    how: How | None = None,
    watch: Watch = unwatched,
) -> Entered:
    """Let this process see an environment from a store, which first gets what it lacks.

    As of `enter_image`. It stays in the store for a week after its last use.

    Args:
        environment: Its bill is read.
        variables: Environment variables: `TMPDIR`, Slurm's.
        how: The one way to try; None tries all, the fastest first.
        watch: Told of what is unpacked, in the first process alone.

    Raises:
        PrefixError: No way is possible, or the store cannot be written.
        UsageError: `how` is not a way for this.
        FetchError: The store lacks packages, and the tarball cannot be read.
        IntegrityError: A package does not match the bill.
    """
    promise = environment.promise
    if how is None and promise.is_here():
        return Entered(prefix=promise.prefix, how="here", delivered=False)
    words = ("store", str(environment.store.directory), str(promise.prefix), promise.manifest)
    supply = partial(environment.supply, watch)
    return enter_by(words, stored_deliveries(environment), variables, how, supply)


def mount_stored(
    environment: StoredEnvironment,
    variables: Mapping[str, str],
    how: How | None = None,
    watch: Watch = unwatched,
) -> MountedImage:
    """Mount an environment from a store at its prefix, for everybody, until `unmount_image`.

    The store keeps it until then.

    Args:
        environment: Its bill is read; its prefix is an empty directory, or not there yet.
        variables: Environment variables: `PATH`.
        how: `overlay`, or None.
        watch: Told of what is unpacked.

    Raises:
        UsageError: `how` is another way.
        PrefixExistsError: Something else lies at its prefix.
        PrefixError: It is not possible; the details say why.
        LadingError: As of `enter_stored`.
    """
    promise = environment.promise
    if os.geteuid() == 0 and not promise.is_here():
        environment.supply(watch)

    def mount() -> None:
        if os.geteuid() != 0:
            raise Refused("only root may mount what others see")
        layers = environment.layers()
        with tempfile.TemporaryDirectory() as scratch:
            mount_overlay(layers, promise.prefix, Path(scratch))
        environment.store.records.register(promise.prefix, environment.source.bill.document)

    return mount_by(promise, promise.prefix, {How.OVERLAY: mount}, variables, how)
