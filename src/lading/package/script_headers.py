"""Scripts of other languages that find their interpreter beside themselves, as python's do.

The first line that conda writes, `#!PREFIX/bin/perl -w`, holds the place of the environment, which
is not known before it is unpacked; and what conda-pack makes of it, `#!/usr/bin/env perl -w`, looks
for a program named `perl -w`. A script here is begun by `sh`, which starts the interpreter; that
one reads the same file and must pass over what was meant for `sh`. How depends on the language.
"""

import re
from collections.abc import Callable, Mapping

from lading.package.entry_points import HERE, self_locating_script

_SIMPLE = re.compile(r"[A-Za-z0-9_./+=:@%,-]*")


def script_for(interpreter: str, options: str, body: bytes) -> bytes | None:
    """A script for any language that is known, made to find its interpreter itself.

    `interpreter` is its path, relative to the directory of the script; `options` are separated by
    spaces; `body` is the script without its first line.

    Returns:
        None where that is not possible: the first line must then name the interpreter.
    """
    name = interpreter.rpartition("/")[2]
    if re.fullmatch(r"python[0-9.]*", name):
        return self_locating_script(interpreter, options, body)
    language = name.rstrip("0123456789.")
    header = _HEADERS.get(language)
    words = options.split()
    if header is None or not all(map(_SIMPLE.fullmatch, (interpreter, *words))):
        return None
    return ("#!/bin/sh\n" + header(f"{HERE}/{interpreter}", " ".join(words))).encode() + body


def _skipping(language: str) -> Callable[[str, str], str]:
    """For a language with an option -x: pass over all lines before one that names it."""
    return lambda program, options: (
        f'exec {program} -x {options} "$0" "$@"\n#!{language} {options}'.rstrip() + "\n"
    )


def _javascript(program: str, options: str) -> str:
    """To node, the line is a text and a comment."""
    return f"""':' //; exec {program} {options} "$0" "$@"\n"""


def _r(program: str, options: str) -> str:
    """To R, the line is a text that ends where it ends: there, a backslash quotes."""
    return f"""LADING='\\' ; exec {program} {options} "$0" "$@" #'\n"""


def _tcl(program: str, options: str) -> str:
    """To Tcl, a comment goes on in the next line."""
    return f'# \\\nexec {program} {options} "$0" "$@"\n'


def _bash(program: str, options: str) -> str:
    """To the bash that is wanted, nothing is left to do."""
    return f'[ "${{BASH-}}" = {program} ] || exec {program} {options} "$0" "$@"\n'


_HEADERS: Mapping[str, Callable[[str, str], str]] = {
    "bash": _bash,
    "expect": _tcl,
    "node": _javascript,
    "perl": _skipping("perl"),
    "Rscript": _r,
    "ruby": _skipping("ruby"),
    "tclsh": _tcl,
    "wish": _tcl,
}
