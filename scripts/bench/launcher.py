"""Run one program and say what it took, as JSON; started as `python -I -S launcher.py REQUEST`.

It is a process of its own because of how the kernel counts: a program's peak memory begins with
that of the process that started it, until it is another program. So that process must be small.

REQUEST is `{"argv": [...], "environment": {...}, "directory": "...", "log": "..."}`. The program
reads nothing and writes into the log. CPU and peak memory are those of the program and of all that
it started and waited for; the peak is that of the largest single one of them.
"""

import json
import os
import sys
import time


def main(request: dict) -> dict:  # type: ignore[type-arg]  # JSON; `typing` would make it larger
    """Exit code, wall and CPU seconds, and peak bytes."""
    os.chdir(request["directory"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, request["log"], flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    argv = request["argv"]
    started = time.perf_counter()
    child = os.posix_spawn(argv[0], argv, request["environment"], file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    return {
        "wall": time.perf_counter() - started,
        "code": os.waitstatus_to_exitcode(status),
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))))
