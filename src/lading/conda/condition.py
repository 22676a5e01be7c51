"""Conditions of dependencies: `and`, `or` and parentheses around queries. Pure.

    python>=3.10 and (__unix or b[version='1.*'])

A condition is read into a tree whose leaves are whatever the caller makes of a query's text.

Source: CEP 43 (conditional dependencies).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

DEEPEST = 20
"""Parentheses within parentheses that are followed."""

_QUERY = r"[^\s()\[\]<>=!~]+(?:\s*[<>=!~]+\s*[^\s()\[\]]+)?(?:\[(?:[^\[\]]|\[[^\[\]]*\])*\])?"
_TOKEN = re.compile(rf"\s*([()]|{_QUERY})\s*")

Leaf = TypeVar("Leaf")


@dataclass(frozen=True, slots=True)
class Joined(Generic[Leaf]):
    """Conditions that must all hold (`and`), or of which one must (`or`); at least two."""

    operator: Literal["and", "or"]
    parts: "tuple[Leaf | Joined[Leaf], ...]"


Condition: TypeAlias = Leaf | Joined[Leaf]


def parse_condition(text: str, leaf: Callable[[str], Leaf]) -> Condition[Leaf]:
    """The condition written as `text`, each query of which is read by `leaf`.

    Raises:
        ValueError: It is not a condition.
    """
    tokens = _tokens(text)
    result = _parse_any(tokens, leaf, DEEPEST)
    if tokens:
        raise ValueError(f"{tokens[0]!r} stands where `and` or `or` is expected")
    return result


def condition_holds(condition: Condition[Leaf], test: Callable[[Leaf], bool]) -> bool:
    """Whether the condition is true where `test` says which of its queries are."""
    if isinstance(condition, Joined):
        combine = all if condition.operator == "and" else any
        return combine(condition_holds(part, test) for part in condition.parts)
    return test(condition)


def condition_text(condition: Condition[Leaf], render: Callable[[Leaf], str]) -> str:
    """The condition in one spelling, its queries as `render` writes them."""
    if not isinstance(condition, Joined):
        return render(condition)
    texts = []
    for part in condition.parts:
        text = condition_text(part, render)
        texts.append(f"({text})" if isinstance(part, Joined) else text)
    return f" {condition.operator} ".join(texts)


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"{text[position:].strip()!r} is not a query")
        tokens.append(match[1])
        position = match.end()
    return tokens


def _parse_any(tokens: list[str], leaf: Callable[[str], Leaf], depth: int) -> "Leaf | Joined[Leaf]":
    return _joined("or", tokens, lambda: _parse_all(tokens, leaf, depth))


def _parse_all(tokens: list[str], leaf: Callable[[str], Leaf], depth: int) -> "Leaf | Joined[Leaf]":
    return _joined("and", tokens, lambda: _parse_one(tokens, leaf, depth))


def _joined(
    operator: Literal["and", "or"], tokens: list[str], parse: "Callable[[], Leaf | Joined[Leaf]]"
) -> "Leaf | Joined[Leaf]":
    """One or more parts between which `operator` stands."""
    parts = [parse()]
    while tokens and tokens[0] == operator:
        tokens.pop(0)
        parts.append(parse())
    return parts[0] if len(parts) == 1 else Joined(operator, tuple(parts))


def _parse_one(tokens: list[str], leaf: Callable[[str], Leaf], depth: int) -> "Leaf | Joined[Leaf]":
    first = tokens.pop(0) if tokens else ""
    if first in {"", ")", "and", "or"}:
        raise ValueError(f"a query is expected{f' before {first!r}' if first else ' at its end'}")
    if first != "(":
        return leaf(first)
    if not depth:
        raise ValueError("its parentheses are nested too deeply")
    inner = _parse_any(tokens, leaf, depth - 1)
    if not tokens or tokens.pop(0) != ")":
        raise ValueError("a parenthesis is not closed")
    return inner
