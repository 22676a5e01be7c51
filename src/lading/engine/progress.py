"""The progress of a child process that fills a prefix, read from the prefix.

Every version of micromamba writes a package's prefix record last. What it prints about progress
differs from version to version, and is meant for terminals.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lading.engine.protocol import LINKING, InstallRequest

LOOK_SECONDS = 0.1


@contextmanager
def watched(request: InstallRequest) -> Iterator[None]:
    """Report each package that is linked while the block runs to `request.progress`."""
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

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    request.progress(LINKING, total, total)
