"""Remove an installation, its record first: half an installation must not look complete."""

import os
import time
from contextlib import suppress

from lading.install.contents import CONTENTS_NAME
from lading.install.layout import UV_WORKPLACE
from lading.install.moving import ASIDE, INCOMING
from lading.install.plan import InstallPlan
from lading.install.record import INSTALL_RECORD_NAME
from lading.system import remove_tree

SCRIPTED = "scripted"
"""Where copies of what link scripts made lie, beside the prefix."""

BESIDE = (SCRIPTED, UV_WORKPLACE, ASIDE, INCOMING)
"""What a killed installation may have left besides its prefix."""

BUSY_SECONDS = 10.0
"""How long an engine that failed may go on writing."""

LOOK_SECONDS = 0.05
QUIET_LOOKS = 3


def discard(plan: InstallPlan, *, keep_prefix: bool = False) -> None:
    """Remove the installation, and what a killed one left beside it."""
    _discard_records(plan)
    for name in (*([] if keep_prefix else [plan.prefix.name]), *BESIDE):
        path = plan.directory / name
        if path.exists():
            remove_tree(path)


def _discard_records(plan: InstallPlan) -> None:
    for name in (INSTALL_RECORD_NAME, CONTENTS_NAME):
        (plan.directory / name).unlink(missing_ok=True)


def discard_busy(plan: InstallPlan) -> None:
    """Remove an installation that an engine may still be writing to.

    The threads of an embedded engine that failed or was interrupted go on for a moment, and create
    again what was removed under them.
    """
    _discard_records(plan)
    for name in BESIDE:
        with suppress(OSError):
            remove_tree(plan.directory / name)
    quiet = 0
    deadline = time.monotonic() + BUSY_SECONDS
    while quiet < QUIET_LOOKS and time.monotonic() < deadline:
        quiet = 0 if os.path.lexists(plan.prefix) else quiet + 1
        with suppress(OSError):
            remove_tree(plan.prefix)
        time.sleep(LOOK_SECONDS)
