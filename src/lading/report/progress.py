"""Progress on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from lading.system import Progress as Told


@contextmanager
def progress_bar(stream: TextIO) -> Iterator[Told]:
    """One bar for each kind of work, drawn on `stream` and gone when the block ends."""
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # No thread redraws it: a process with threads cannot fork workers.
    bars = Progress(*columns, console=Console(file=stream), transient=True, auto_refresh=False)
    tasks: dict[str, TaskID] = {}

    def told(what: str, done: int, total: int) -> None:
        # How much it is may turn out later.
        known = total or None
        if what not in tasks:
            # Not before: what is drawn without a bar would erase a line of the results.
            bars.start()
            tasks[what] = bars.add_task(what, total=known)
        bars.update(tasks[what], completed=done, total=known, refresh=True)

    try:
        yield told
    finally:
        bars.stop()
