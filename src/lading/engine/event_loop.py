"""Running a coroutine of rattler to its end, in a program that is not asynchronous."""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

SETTLE_SECONDS = 0.1

Result = TypeVar("Result")


def run_coroutine(make: Callable[[], Coroutine[None, None, Result]]) -> Result:
    """Run a coroutine, whether or not an event loop runs in this thread; return its result.

    rattler completes a future from a thread of its own, and that thread keeps a reference to the
    event loop for a moment longer. If the interpreter ends in this moment, it crashes (seen in one
    of three runs of a short program; PyO3/pyo3-async-runtimes#40). So wait for the reference to go.
    """
    if _is_loop_running():
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(lambda: run_coroutine(make)).result()
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        try:
            return runner.run(make())
        finally:
            runner.close()
            deadline = time.monotonic() + SETTLE_SECONDS
            # Held by: this frame, the argument of getrefcount. After an error its traceback
            # holds the loop as well; then the deadline ends the wait.
            while sys.getrefcount(loop) > 2 and time.monotonic() < deadline:  # noqa: PLR2004
                time.sleep(0.001)
            time.sleep(0.001)


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
