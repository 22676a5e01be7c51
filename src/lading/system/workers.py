"""Do many jobs at once in processes, so that the interpreter's lock holds none of them up.

Workers are forked, so they know all that this process knows, and a job is a number and at most the
bytes that only this process can read. Each works on one job at a time and is given the next when it
is done, so what is held in memory is one job for each.

A process that has other threads is not forked: a lock that one of them holds at that moment would
stay locked in the child for ever. The embedded engine has threads, and so has a notebook. There,
and where only one worker is wanted, the same jobs are done by threads.

When anything goes wrong, in a worker or here (Ctrl-C too), the workers are killed and waited for
before the error leaves `run_jobs`: nobody writes any more when the caller removes what is half
done. Workers whose parent was killed are killed by the system.
"""

import ctypes
import gc
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Never, TypeVar, cast

from lading.errors import MachineError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    End = Connection[bytes, bytes]
    """One end of the pipe between this process and a worker."""

Result = TypeVar("Result")
Item = TypeVar("Item")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 32 << 20
"""A buffer that is smaller is kept when it is freed."""

_PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent dies."""

ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""Signals that end a command, which clears up first."""

COLLECTED_AFTER = 100_000
"""Values more than were freed, after which a worker looks for cycles."""

LOOKS = 50
LOOK_SECONDS = 0.002

Job = tuple[int, bytes]
"""The number of a job, and bytes that go with it."""


def run_jobs(
    work: Callable[[int, bytes], Result],
    take: Callable[[], Job | None],
    done: Callable[[int, Result], None],
    workers: int,
) -> None:
    """Do every job that `take` gives, at most `workers` at once.

    Args:
        work: Does a job, in a process or thread of its own. Its result must be picklable.
        take: Gives the next job, or None if there is none now; called in this thread, whenever a
            worker is idle. When there is none and none is in progress, all is done.
        done: Told of each result, in this thread, in the order in which they come.
        workers: At least 1.

    Raises:
        MachineError: A worker was killed.
        BaseException: Whatever `work`, `take` or `done` raises.
    """
    _keep_freed_memory()
    if workers > 1 and can_fork():
        _Processes(work, workers).run(take, done)
    elif workers > 1:
        _run_threads(work, take, done, workers)
    else:
        while (job := take()) is not None:
            done(job[0], work(*job))


def spread(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    done: Callable[[Result], None],
) -> None:
    """Do `work` on each of `items`, at most `workers` at once; `done` gets each result.

    Raises:
        MachineError: A worker was killed.
        BaseException: Whatever `work` or `done` raises.
    """
    numbers = iter(range(len(items)))

    def take() -> Job | None:
        number = next(numbers, None)
        return None if number is None else (number, b"")

    run_jobs(
        lambda number, _data: work(items[number]),
        take,
        lambda _number, result: done(result),
        min(workers, len(items)) or 1,
    )


@cache
def _keep_freed_memory() -> None:
    """Tell glibc to use freed memory again instead of giving it back to the system.

    Jobs take and free buffers of megabytes. Given back and taken again, each page is cleared again
    by the kernel: of unpacking an environment of 770 MB this was 1.1 of 1.5 seconds of system time.

    Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * KEPT_BYTES)


def can_fork() -> bool:
    """Whether this process has one thread alone, as far as the system knows."""
    if not sys.platform.startswith("linux"):
        # Frameworks of macOS start threads of their own, and may not be used after a fork.
        return False
    # What cannot be looked at is taken for a thread.
    with suppress(OSError):
        for _ in range(LOOKS):
            if len(list(Path("/proc/self/task").iterdir())) == 1:
                return True
            if threading.active_count() > 1:
                return False
            # A thread that was joined is there for another moment.
            time.sleep(LOOK_SECONDS)
    return False


def _run_threads(
    work: Callable[[int, bytes], Result],
    take: Callable[[], Job | None],
    done: Callable[[int, Result], None],
    workers: int,
) -> None:
    running: dict[Future[Result], int] = {}
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="lading") as pool:
        while True:
            while len(running) < workers and (job := take()) is not None:
                running[pool.submit(work, *job)] = job[0]
            if not running:
                return
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                done(running.pop(future), future.result())


@dataclass(slots=True)
class _Processes:
    """Forked workers, each at the other end of a pipe."""

    work: Callable[[int, bytes], object]
    workers: int
    pipes: dict["End", int] = field(default_factory=dict)

    def run(self, take: Callable[[], Job | None], done: Callable[[int, Result], None]) -> None:
        from multiprocessing.connection import wait as wait_for  # noqa: PLC0415  # only here

        is_whole = False
        busy: dict[End, int] = {}
        try:
            while True:
                while (idle := self._idle(busy)) is not None and (job := take()) is not None:
                    self._give(idle() if callable(idle) else idle, job, busy)
                if not busy:
                    break
                for pipe in cast("list[End]", wait_for(list(busy))):
                    number = busy.pop(pipe)
                    done(number, cast("Result", self._result(pipe)))
            is_whole = True
        finally:
            self._end(kill=not is_whole)

    def _idle(self, busy: "dict[End, int]") -> "End | Callable[[], End] | None":
        """A worker that waits, or how to start one more; None where all are at work.

        No more are started than there are jobs for.
        """
        waiting = next((pipe for pipe in self.pipes if pipe not in busy), None)
        if waiting is not None:
            return waiting
        return self._start if len(self.pipes) < self.workers else None

    def _give(self, pipe: "End", job: Job, busy: "dict[End, int]") -> None:
        number, data = job
        busy[pipe] = number
        try:
            pipe.send_bytes(number.to_bytes(8, signed=True) + data)
        except OSError:
            self._raise_killed(pipe)

    def _start(self) -> "End":
        """Fork one more worker; return this process's end of its pipe."""
        from multiprocessing import Pipe  # noqa: PLC0415  # only here

        libc = ctypes.CDLL(None)
        ours, theirs = Pipe()
        # A signal between the fork and the next lines would leave a worker that nobody knows; one
        # within the fork would be lost, since Python ignores what functions raise that it calls
        # there.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            child = os.fork()
            if child == 0:
                libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                for pipe in (*self.pipes, ours):
                    pipe.close()
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.signal(signal.SIGHUP, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                _serve(theirs, self.work)
            self.pipes[ours] = child
            theirs.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return ours

    def _result(self, pipe: "End") -> object:
        try:
            is_right, value = pickle.loads(pipe.recv_bytes())  # noqa: S301  # our own child wrote it
        except (EOFError, OSError):
            self._raise_killed(pipe)
        if not is_right:
            raise value
        return value

    def _raise_killed(self, pipe: "End") -> Never:
        _, status = os.waitpid(self.pipes.pop(pipe), 0)
        pipe.close()
        code = os.waitstatus_to_exitcode(status)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise MachineError(
            f"a worker process {how}", hint="use fewer workers (-j 1), or raise the memory limit"
        )

    def _end(self, *, kill: bool) -> None:
        """End the workers and wait for them; those that wait end by themselves."""
        for pipe, child in self.pipes.items():
            if kill:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            pipe.close()
        for child in self.pipes.values():
            with suppress(ChildProcessError):
                os.waitpid(child, 0)
        self.pipes.clear()


def _serve(pipe: "End", work: Callable[[int, bytes], object]) -> Never:
    """Do jobs until the other end of the pipe is closed; the body of a worker."""
    # What was there before the fork is not looked at again, so its pages stay shared. Jobs make
    # many values and hardly a cycle: looking for those as usual takes 2 % of a worker's time.
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)
    try:
        while True:
            job = pipe.recv_bytes()
            answer: tuple[bool, object]
            try:
                answer = (True, work(int.from_bytes(job[:8], signed=True), job[8:]))
            except Exception as error:  # noqa: BLE001  # it is raised again by the parent
                answer = (False, error)
            pipe.send_bytes(_pickled(answer))
    except (EOFError, OSError):
        os._exit(0)
    finally:
        os._exit(1)


def _pickled(answer: tuple[bool, object]) -> bytes:
    """The answer as bytes; an error that cannot be sent becomes one that can."""
    try:
        return pickle.dumps(answer)
    except Exception:  # noqa: BLE001  # whatever its parts are
        return pickle.dumps((False, RuntimeError(repr(answer[1]))))
