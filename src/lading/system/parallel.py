"""Process a sequence of items in several threads, with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

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


@dataclass(slots=True, kw_only=True)
class OrderedWork(Generic[Item, Result]):
    """The counterpart of `in_order` for one that makes the items: it gives each when it is made.

    Attributes:
        work: What is done with an item.
        keep: Gets the results, in the order of the items, in the thread that gives them.
        ahead: How many items wait or are in progress.
        pool: The threads; None for the calling thread.
    """

    work: Callable[[Item], Result]
    keep: Callable[[Result], object]
    ahead: int
    pool: ThreadPoolExecutor | None
    _pending: deque[Future[Result]] = field(default_factory=deque)

    @classmethod
    @contextmanager
    def opened(
        cls,
        work: Callable[[Item], Result],
        keep: Callable[[Result], object],
        threads: int,
        ahead: int = 1,
    ) -> Iterator["OrderedWork[Item, Result]"]:
        """Use threads of its own, with `ahead` items for each; with one thread there are none."""
        if threads == 1:
            yield cls(work=work, keep=keep, ahead=0, pool=None)
            return
        with ThreadPoolExecutor(threads, thread_name_prefix="lading") as pool:
            yield cls(work=work, keep=keep, ahead=ahead * threads, pool=pool)

    def give(self, item: Item) -> None:
        """Begin with `item`, once there is room for it; the item is not to be changed any more.

        Raises:
            Exception: What `work` raised for this item or for one before.
        """
        if self.pool is None:
            self.keep(self.work(item))
            return
        self._wait(self.ahead)
        self._pending.append(self.pool.submit(self.work, item))

    def finish(self) -> None:
        """Wait for all that is in progress.

        Raises:
            Exception: What `work` raised.
        """
        self._wait(0)

    def _wait(self, most: int) -> None:
        while len(self._pending) > most:
            self.keep(self._pending.popleft().result())
