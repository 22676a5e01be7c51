"""Console scripts that find their interpreter beside themselves.

A script with `#!/abs/path/bin/python` breaks when the environment moves, is cut off by kernels at
127 bytes, and cannot hold a space; one with `#!/usr/bin/env python` takes whichever python comes
first on PATH. The scripts made here are read twice: `sh` executes the second line, python sees a
string there. They work from any place, through symbolic links, without activation and without
relocation.
"""

import io
import re
import tokenize

from lading.package.info import EntryPoint

HERE = '"$(dirname -- "$(readlink -f -- "$0")")"'
"""The directory of a script, to `sh`."""

_FUTURE = re.compile(rb"^from[ \t]+__future__[ \t]+import", re.MULTILINE)
_NO_CODE = {tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE}


def self_locating_header(interpreter: str, options: str = "") -> bytes:
    """The first lines of a script that `interpreter` executes.

    `interpreter` is its path, relative to the directory of the script; `options` are written as a
    shell reads them.
    """
    words = f"'{interpreter}' {options}".strip()
    return (
        "#!/bin/sh\n"
        f"""'''exec' {HERE}/{words} "$0" "$@"\n"""
        "' '''\n"
    ).encode()


def self_locating_script(interpreter: str, options: str, body: bytes) -> bytes | None:
    """A script that was written by somebody else, made to find its interpreter itself.

    The header is a string to python, so the docstring of the script, which many print as their
    help, is no longer the first one: it is assigned to `__doc__` instead.

    `interpreter` is its path, relative to the directory of the script; `options` are written as a
    shell reads them; `body` is the script without its first line.

    Returns:
        None where that is not possible: an import from `__future__` must follow the docstring
        directly, and what cannot be read cannot be changed.
    """
    header = self_locating_header(interpreter, options)
    try:
        tokens = tokenize.tokenize(io.BytesIO(body).readline)
        first = next((token for token in tokens if token.type not in _NO_CODE), None)
    except (tokenize.TokenError, SyntaxError):
        return None
    if first is None or first.type != tokenize.STRING:
        return header + body
    if _FUTURE.search(body):
        return None
    row = first.start[0]
    lines = body.splitlines(keepends=True)
    return b"".join([header, *lines[: row - 1], b"__doc__ = ", *lines[row - 1 :]])


def render_entry_point(entry_point: EntryPoint, interpreter: str) -> bytes:
    """The console script of an entry point.

    `interpreter` is the file name of the environment's python in `bin/`.

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
