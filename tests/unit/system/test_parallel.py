"""Work in order by several threads."""

import threading
from collections.abc import Iterator

import pytest

from lading.system.parallel import AHEAD, OrderedWork, in_order

LIMIT_SECONDS = 30


class OutOfPayloadError(Exception):
    """Something went wrong in the middle."""


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_results_come_in_order(workers: int) -> None:
    """Results come as their items did, whoever is ready first."""
    later = threading.Event()

    def work(item: int) -> int:
        # The first item is ready last, wherever there is more than one worker.
        if item == 0 and workers > 1:
            assert later.wait(LIMIT_SECONDS)
        elif item == 1:
            later.set()
        return item * item

    with in_order(work, range(50), workers) as results:
        assert [item * item for item in range(50)] == list(results)


def test_nothing_to_do_is_done() -> None:
    """No items give no results."""
    with in_order(str, [], 4) as results:
        assert [] == list(results)


def test_workers_work_at_once() -> None:
    """Two workers meet, which neither could do alone."""
    barrier = threading.Barrier(2, timeout=LIMIT_SECONDS)
    with in_order(lambda _item: barrier.wait(), range(2), 2) as results:
        assert [0, 1] == sorted(results)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_few_items_are_in_flight(workers: int) -> None:
    """The source is never asked for more than a few items a worker, and one that waits."""
    taken = given = most = 0

    def items() -> Iterator[int]:
        nonlocal taken, most
        for item in range(100):
            taken += 1
            most = max(most, taken - given)
            yield item

    with in_order(str, items(), workers) as results:
        for _ in results:
            given += 1
    assert AHEAD * workers + 1 == most


def test_the_first_error_ends_it() -> None:
    """An error comes where its result would have come, and what has not begun is not begun."""
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise OutOfPayloadError
        return item

    given = []
    with pytest.raises(OutOfPayloadError), in_order(work, range(100), 1) as results:
        given.extend(results)
    assert [0, 1] == begun[:2]
    assert len(begun) <= AHEAD + 2


def test_results_before_an_error_are_given() -> None:
    """What was done before the error counts."""
    given = []

    def work(item: int) -> int:
        if item == 5:
            raise OutOfPayloadError
        return item

    with pytest.raises(OutOfPayloadError), in_order(work, range(10), 3) as results:
        given.extend(results)
    assert [0, 1, 2, 3, 4] == given


def test_an_error_of_the_source_ends_it() -> None:
    """A source of items that breaks is told as it is, after all that had begun is done."""
    done = []

    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OutOfPayloadError

    with pytest.raises(OutOfPayloadError), in_order(done.append, items(), 8) as results:
        list(results)
    assert {1, 2} >= set(done)


def test_no_thread_outlives_it() -> None:
    """Whoever stops in the middle leaves no thread behind."""
    before = set(threading.enumerate())
    with in_order(str, range(100), 4) as results:
        next(results)
    assert before == set(threading.enumerate())


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_given_items_are_kept_in_order(threads: int) -> None:
    """Results are kept as their items were given, and few are unfinished at any time."""
    later = threading.Event()
    kept: list[int] = []

    def work(item: int) -> int:
        if item == 0 and threads > 1:
            assert later.wait(LIMIT_SECONDS)
        elif item == 1:
            later.set()
        return item

    with OrderedWork[int, int].opened(work, kept.append, threads, ahead=2) as ordered:
        for item in range(50):
            ordered.give(item)
            assert item + 1 - len(kept) <= (2 * threads + 1 if threads > 1 else 0)
        ordered.finish()
        assert list(range(50)) == kept


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_to_the_one_that_gives(threads: int) -> None:
    """Work that fails ends the giving; what was done before it is kept."""
    kept: list[int] = []

    def work(item: int) -> int:
        if item == 5:
            raise OutOfPayloadError
        return item

    def give_all() -> None:
        with OrderedWork[int, int].opened(work, kept.append, threads) as ordered:
            for item in range(6):
                ordered.give(item)
            ordered.finish()

    with pytest.raises(OutOfPayloadError):
        give_all()
    assert [0, 1, 2, 3, 4] == kept
