"""Work on a row of items by several threads, with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["AHEAD", "in_order"]

AHEAD = 3
"""How many items for each worker are begun or wait to be given away: one that takes long, such as a
frame of 50 MB among small ones, must not leave the other workers idle."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """The results of `work` on `items`, in their order, made by `workers` threads.

    No more than `AHEAD` items a worker, and one that waits, are in flight: neither a fast worker
    runs away from a slow consumer, nor a fast source of items from slow workers. The first error
    ends it; what has begun is waited for, what has not is not begun.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="lading") as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
