"""What a way of delivering promises: this environment, at this prefix."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from lading.errors import LadingError
from lading.format import STATE_PATH, State, read_state


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """An environment and the place where its files must be seen.

    Attributes:
        prefix: Absolute: the path that its files name.
        manifest: SHA-256 of its bill, hexadecimal.
    """

    prefix: Path
    manifest: str

    def is_kept(self, place: Path) -> bool:
        """Whether what lies at `place` says that it is this environment, for this prefix."""
        return read_state(place) == State(prefix=str(self.prefix), manifest=self.manifest)

    def is_here(self) -> bool:
        """Whether the environment lies at its prefix already, mounted by somebody.

        It must belong to root, as everything in an image does, or to this user.
        """
        with suppress(OSError, LadingError):
            owner = (self.prefix / STATE_PATH).stat().st_uid
            return owner in {0, os.geteuid()} and self.is_kept(self.prefix)
        return False
