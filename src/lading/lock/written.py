"""Lockfiles in the very form that lading and conda-lock write them, read without a YAML parser.

A YAML parser takes a third of a second for a lockfile of 800 packages, most of it to find out what
is known before: every package has the same keys in the same order, and every value is on one line.
What is written in any other way, by hand say, is left to the parser: `packages_written` gives None.
Where it gives something, that is what the parser gives (a property test keeps it so).
"""

import re
from functools import lru_cache

import yaml

__all__ = ["packages_written"]

_SCALAR = r"(?:'(?:[^'\n]|'')*'|[^\s'\"#&*!|>%@`{}\[\],?:-][^\n]*)"
_PACKAGE = re.compile(
    rf"""- name: (?P<name>{_SCALAR})
  version: (?P<version>{_SCALAR})
  manager: (?P<manager>conda|pip)
  platform: (?P<platform>{_SCALAR})
  dependencies:(?P<dependencies> \{{\}}|(?:\n    {_SCALAR}: {_SCALAR})+)
  url: (?P<url>{_SCALAR})
  hash:(?P<hash>(?:\n    (?:md5|sha256): [0-9a-f]*[ac-f][0-9a-f]*)+)
  category: (?P<category>{_SCALAR})
  optional: (?P<optional>true|false)
"""
)
_PAIR = re.compile(rf"\n    (?P<key>'(?:[^'\n]|'')*'|[A-Za-z0-9_.-]+): (?P<value>{_SCALAR})")
# `: ` and ` #` mean something in the midst of a plain scalar, and it ends with no space.
_NOT_PLAIN = re.compile(r": |:$| #|[\t\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]| $")


class _OtherwiseError(Exception):
    """It is written in another way."""


def packages_written(text: str) -> list[object] | None:
    """The packages of `text`, the part of a lockfile after `package:`; None: ask a YAML parser."""
    found: list[object] = []
    position = 0
    try:
        while position < len(text):
            match = _PACKAGE.match(text, position)
            if match is None:
                return None
            found.append(_package(match))
            position = match.end()
    except _OtherwiseError:
        return None
    return found


def _package(match: re.Match[str]) -> dict[str, object]:
    return {
        "name": _scalar(match["name"]),
        "version": _scalar(match["version"]),
        "manager": match["manager"],
        "platform": _scalar(match["platform"]),
        "dependencies": {} if match["dependencies"] == " {}" else _pairs(match["dependencies"]),
        "url": _scalar(match["url"]),
        # A `c` or so in each: it is no number, and needs no quotes.
        "hash": dict(line.split(": ") for line in match["hash"].split("\n    ")[1:]),
        "category": _scalar(match["category"]),
        "optional": match["optional"] == "true",
    }


@lru_cache(65_536)
def _pairs(text: str) -> dict[str, str]:
    result: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None:
            raise _OtherwiseError
        key = _scalar(match["key"])
        if key in result:
            raise _OtherwiseError
        result[key] = _scalar(match["value"])
        position = match.end()
    return result


@lru_cache(65_536)
def _scalar(text: str) -> str:
    """The text of a scalar, quoted or plain.

    Raises:
        _OtherwiseError: It is plain, and no text: a number, a date, nothing.
    """
    if text.startswith("'"):
        if _NOT_PRINTABLE.search(text):
            raise _OtherwiseError
        return text[1:-1].replace("''", "'")
    if _NOT_PLAIN.search(text):
        raise _OtherwiseError
    known = yaml.SafeLoader.yaml_implicit_resolvers
    for _, pattern in (*known.get(text[0], ()), *known.get("*", ())):
        if pattern.match(text):
            raise _OtherwiseError
    return text


_NOT_PRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
