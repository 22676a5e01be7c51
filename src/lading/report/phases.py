"""Progress where no terminal is: one line for each phase, when it is done."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from lading.system import Progress

UNITS = {
    "compile": "packages",
    "copy": "MB",
    "extract": "packages",
    "fetch": "files",
    "link": "packages",
    "pack": "packages",
    "place": "files",
    "transcode": "packages",
    "unpack": "frames",
    "verify": "files",
}
"""What is counted in each phase; any other is the solving of a platform, and has its name."""


def phase_lines(
    stream: TextIO, sizes: Mapping[str, str], clock: Callable[[], float] = time.monotonic
) -> Progress:
    """Tells `stream` what was done, how much it was and how long it took.

        unpack     17,638 files, 740 MB  2.3 s

    `sizes`: phase → how much it is, where more is known than the number of steps; looked at when
    the phase is done.
    """
    lock = threading.Lock()
    started: dict[str, float] = {}
    last = clock()

    def told(what: str, done: int, total: int) -> None:
        nonlocal last
        with lock:
            # A phase that is told of only when its first step is done began when the last ended.
            since = started.setdefault(what, last if done else clock())
            if done >= total > 0:
                last = clock()
                del started[what]
                unit = UNITS.get(what)
                name, size = (what, f"{total:,} {unit}") if unit else ("solve", what)
                size = size.removesuffix("s") if total == 1 and unit else size
                stream.write(f"{name:<9}  {sizes.get(what, size)}  {last - since:.1f} s\n")

    return told
