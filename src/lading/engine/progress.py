"""How far a child process has come with an installation, read from the prefix it fills.

A prefix record is the last thing that is written of a package, by every version. What programs
print of their progress differs from version to version, and is meant for terminals.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lading.engine.protocol import LINKING, InstallRequest

__all__ = ["watched"]

LOOK_SECONDS = 0.1


@contextmanager
def watched(request: InstallRequest) -> Iterator[None]:
    """Tell `request.progress` of each package that is linked while the block runs."""
    total = len(request.records)
    over = threading.Event()
    records = request.prefix / "conda-meta"
    request.progress(LINKING, 0, total)

    def look() -> None:
        told = 0
        while not over.wait(LOOK_SECONDS):
            try:
                done = sum(name.endswith(".json") for name in os.listdir(records))  # noqa: PTH208  # only names
            except OSError:
                continue
            if told < done <= total:
                told = done
                request.progress(LINKING, done, total)

    thread = threading.Thread(target=look, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    request.progress(LINKING, total, total)
