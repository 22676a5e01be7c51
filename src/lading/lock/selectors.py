"""Selectors: comments that say for which platforms a line of a source is.

    - libfoo  # [linux]
    - libbar  # [not win and not (osx and arm64)]

conda-lock knows single words, and drops a line with anything else without a word. Here expressions
are evaluated, and what is not about platforms (`py>=38`) is refused.

Source: conda-build, "Preprocessing selectors"; conda-lock 4.0.3 `src_parser/selectors.py`.
"""

import ast
import re
from collections.abc import Iterator

from lading.conda import Platform
from lading.errors import SpecError

LONGEST = 200
"""Characters of an expression; nobody writes more by hand."""

_SELECTOR = re.compile(r"(.+?)\s*(#.*)\[([^\[\]]+)\](?(2)[^()]*)$")
_WORDS = {"linux": {"linux", "unix"}, "osx": {"osx", "unix"}, "win": {"win"}}
_HINT = "use linux, osx, win, unix, linux64, aarch64, osx64, arm64, win64 with not, and, or"
_KNOWN = {
    *("linux", "osx", "win", "unix", "x86", "x86_64", "arm64", "aarch64"),
    *("linux32", "linux64", "osx64", "win32", "win64"),
    *("ppc64le", "s390x", "armv6l", "armv7l", "riscv64"),
}


def has_selectors(text: str) -> bool:
    """Whether a line of `text` is for some platforms only."""
    return any(_SELECTOR.match(line) for line in _lines(text))


def selected_lines(text: str, platform: Platform) -> Iterator[str]:
    """The lines of `text` that are for `platform`, without those that are comments."""
    for line in _lines(text):
        match = _SELECTOR.match(line)
        if match is None or _holds(match[3], platform, line):
            yield line


def _lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _words(platform: Platform) -> set[str]:
    """The words that are true on `platform`."""
    family, _, architecture = platform.value.partition("-")
    words = set(_WORDS[family])
    if architecture == "64":
        return words | {f"{family}64", "x86", "x86_64"}
    return words | {architecture}


def _holds(expression: str, platform: Platform, line: str) -> bool:
    text = expression.strip()
    if text in set(Platform):
        return text == platform
    try:
        # A longer one nobody writes by hand, and a deep one would exhaust the parser.
        return _value(ast.parse(text[:LONGEST], mode="eval").body, _words(platform))
    except (SyntaxError, ValueError) as error:
        reason = "it is not an expression" if isinstance(error, SyntaxError) else error
        raise SpecError(
            f"cannot use the selector [{text}] of the line {line.strip()!r}: {reason}", hint=_HINT
        ) from error


def _value(node: ast.expr, words: set[str]) -> bool:
    """What an expression of selectors says."""
    match node:
        case ast.Name(id=name) if name in _KNOWN:
            return name in words
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, words)
        case ast.BoolOp(op=ast.And(), values=values):
            found = [_value(item, words) for item in values]  # all of them must be understood
            return all(found)
        case ast.BoolOp(values=values):
            found = [_value(item, words) for item in values]
            return any(found)
        case _:
            raise ValueError(f"`{ast.unparse(node)}` is not about platforms")
