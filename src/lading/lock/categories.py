"""Categories: which packages of a lock are wanted. Pure.

What is asked for in `main` is always wanted, what belongs to other categories (`dev`, `test`) only
where they are chosen. A package that several of these need has all of them; one that `main` needs
has `main` alone.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from lading.errors import LockError, UsageError
from lading.graph import reachable
from lading.lock.dependency_graph import LockGraph, node_of
from lading.lock.model import MAIN, Lockfile
from lading.system import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The categories that a user wants.

    Attributes:
        default: Of the configuration; empty means `main`, or the only category that there is.
        including: To add to these.
        excluding: To take away.
    """

    default: tuple[str, ...] = ()
    including: frozenset[str] = frozenset()
    excluding: frozenset[str] = frozenset()

    @property
    def is_made(self) -> bool:
        """Whether the user or the configuration says anything."""
        return bool(self.default or self.including or self.excluding)


def categories_of(lock: Lockfile) -> tuple[str, ...]:
    """The categories of `lock`, `main` first, the others sorted."""
    found = {name for item in lock.packages for name in item.categories} | lock.asked_for.keys()
    found |= {name for item in lock.unusable for name in item.categories}
    return tuple(sorted(found, key=lambda name: (name != MAIN, name)))


def choose_categories(lock: Lockfile, choice: Choice) -> Lockfile:
    """The part of `lock` that `choice` wants, with what it needs; the rest is its `left_out`.

    Raises:
        UsageError: A category does not exist, or none is left.
        LockError: There are several optional categories and nothing else, and none is chosen.
    """
    known = categories_of(lock)
    _refuse_unknown({*choice.default, *choice.including, *choice.excluding} - {MAIN, *known}, known)
    default = choice.default or _default(lock, known, choice)
    chosen = {*default, *choice.including} - choice.excluding
    if not chosen and known:
        raise UsageError("every category is left out", hint=f"choose some of {', '.join(known)}")
    wanted = _wanted(lock, chosen)
    return replace(
        lock,
        packages=tuple(item for item in lock.packages if node_of(item) in wanted),
        chosen=tuple(sorted(chosen)),
        left_out=tuple(item for item in lock.packages if node_of(item) not in wanted),
        unusable=tuple(item for item in lock.unusable if not chosen.isdisjoint(item.categories)),
    )


def _refuse_unknown(unknown: Collection[str], known: tuple[str, ...]) -> None:
    for name in sorted(unknown):
        near = nearest(name, known)
        raise UsageError(
            f"nothing is locked in the category {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"choose among {', '.join(known)}",
        )


def _default(lock: Lockfile, known: tuple[str, ...], choice: Choice) -> tuple[str, ...]:
    if MAIN in known or len(known) <= 1:
        return known[:1]
    if choice.including:
        return ()
    raise LockError(
        f"nothing of {lock.environment or 'this lock'} is in the category main",
        hint=f"choose with --with {','.join(known)}",
    )


def _wanted(lock: Lockfile, chosen: set[str]) -> frozenset[str]:
    """The nodes of the packages in `chosen`."""
    own = frozenset(
        node_of(item) for item in lock.packages if not chosen.isdisjoint(item.categories)
    )
    if MAIN in chosen:
        # It is complete in itself; what others need besides is marked as theirs.
        return own
    asked = {node for name in chosen for node in lock.asked_for.get(name, ())}
    return reachable(LockGraph(lock, None).graph.dependencies, own | asked)
