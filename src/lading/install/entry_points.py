"""Console scripts that find their interpreter beside themselves.

A script with `#!/abs/path/bin/python` breaks when the environment moves, is cut off by kernels at
127 bytes, and cannot hold a space; one with `#!/usr/bin/env python` takes whichever python comes
first on PATH. The scripts made here are read twice: `sh` executes the second line, python sees a
string there. They work from any place, through symbolic links, without activation and without
relocation.
"""

from lading.install.package_info import EntryPoint

__all__ = ["render_entry_point", "self_locating_header"]


def self_locating_header(interpreter: str, options: str = "") -> bytes:
    """The first lines of a script that `interpreter`, in the script's own directory, executes.

    Args:
        interpreter: File name, without directory.
        options: Options of the interpreter as a shell reads them, or empty.
    """
    words = f"'{interpreter}' {options}".strip()
    return (
        "#!/bin/sh\n"
        f"""'''exec' "$(dirname -- "$(readlink -f -- "$0")")"/{words} "$0" "$@"\n"""
        "' '''\n"
    ).encode()


def render_entry_point(entry_point: EntryPoint, interpreter: str) -> bytes:
    """The console script of an entry point.

    Args:
        entry_point: What to import and call; its result is the exit code.
        interpreter: File name of the environment's python in `bin/`.

    Source: the entry points specification of the Python packaging guide; CEP 20.
    """
    root = entry_point.function.partition(".")[0]
    body = (
        "import sys\n"
        "\n"
        f"from {entry_point.module} import {root}\n"
        "\n"
        'if __name__ == "__main__":\n'
        f"    sys.exit({entry_point.function}())\n"
    )
    return self_locating_header(interpreter) + body.encode()
