"""Process a sequence of items in several threads, with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

AHEAD = 3
"""Items per worker that are in progress or waiting for the consumer: one that takes long, such as a
frame of 50 MB among small ones, must not leave the other workers idle."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Iterator[Result]]:
    """Give the results of `work` on `items`, in their order, computed by `workers` threads.

    At most `AHEAD` items per worker, and one more, are held at a time. The first error is raised.
    At the end of the block items in progress are finished, the others are not started.

    The threads belong to the block, not to what gives the results: Python may collect that in any
    thread, also in one that just starts, and waiting for threads there could last for ever.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="lading") as pool:

        def results() -> Iterator[Result]:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

        try:
            yield results()
        finally:
            for future in pending:
                future.cancel()
