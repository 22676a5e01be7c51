"""Which packages of a lock are wanted: by default, and as a user chooses."""

import pytest

from lading.errors import LockError, UsageError
from lading.lock.categories import Choice, categories_of, choose_categories
from lading.lock.model import CATEGORY_KEY, LockedPackage, Lockfile
from simulators.records import locked, lockfile


def package(name: str, *categories: str, needs: tuple[str, ...] = ()) -> LockedPackage:
    """A conda package in `categories`."""
    wanted = categories or ("main",)
    return locked(name, "1", dependencies=dict.fromkeys(needs, "*"), categories=wanted)


def lock(*packages: LockedPackage, **asked: str) -> Lockfile:
    """A lock of `packages`; `asked` is what optional categories ask for."""
    return lockfile(
        *packages, metadata={f"{CATEGORY_KEY}{name}": nodes for name, nodes in asked.items()}
    )


SERVICE = lock(
    package("app", needs=("python",)),
    package("checker", "dev", needs=("helper", "python")),
    package("helper", "dev", "test"),
    package("python"),
    package("runner", "test", needs=("helper",)),
    dev="checker python",
    test="runner",
)


def names(found: Lockfile) -> str:
    """The names of its packages."""
    return " ".join(item.name for item in found.packages)


def choice(including: str = "", excluding: str = "", default: str = "") -> Choice:
    """A choice, names with spaces between them."""
    return Choice(
        default=tuple(default.split()),
        including=frozenset(including.split()),
        excluding=frozenset(excluding.split()),
    )


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (choice(), "app python"),
        (choice("dev"), "app checker helper python"),
        (choice("dev test"), "app checker helper python runner"),
        (choice("dev", "main"), "checker helper python"),
        (choice("test", "main"), "helper runner"),
        (choice(default="main dev"), "app checker helper python"),
        (choice("test", "dev", default="main dev"), "app helper python runner"),
    ],
)
def test_choice(chosen: Choice, expected: str) -> None:
    """What is chosen comes with what it needs, and the rest is known to be left out."""
    found = choose_categories(SERVICE, chosen)
    assert names(found) == expected
    assert len(found.packages) + len(found.left_out) == len(SERVICE.packages)


def test_the_only_category_needs_no_choice() -> None:
    """Where everything is in one category, it is what the user means."""
    found = choose_categories(lock(package("checker", "dev"), dev="checker"), choice())
    assert (names(found), found.chosen, found.left_out) == ("checker", ("dev",), ())


def test_several_and_no_main() -> None:
    """Where nothing is in main and there are several, the user must choose."""
    with pytest.raises(LockError, match="is in the category main") as caught:
        choose_categories(lock(package("a", "dev"), package("b", "test")), choice())
    assert caught.value.hint == "choose with --with dev,test"


@pytest.mark.parametrize(
    ("chosen", "hint"),
    [(choice("tset"), "did you mean test?"), (choice(default="x"), "choose among main, dev, test")],
)
def test_no_such_category(chosen: Choice, hint: str) -> None:
    """A mistyped category is refused, wherever it stands."""
    with pytest.raises(UsageError, match="nothing is locked in the category") as caught:
        choose_categories(SERVICE, chosen)
    assert caught.value.hint == hint


def test_nothing_left() -> None:
    """An empty environment is not what anybody means."""
    with pytest.raises(UsageError, match="every category is left out"):
        choose_categories(SERVICE, choice(excluding="main"))


def test_a_category_of_which_main_has_everything() -> None:
    """What dev asks for is known even where main needs all of it."""
    small = lock(package("python"), dev="python")
    assert categories_of(small) == ("main", "dev")
    assert names(choose_categories(small, choice("dev", "main"))) == "python"


def test_an_empty_lock() -> None:
    """A lock without packages has no categories, and needs no choice."""
    assert names(choose_categories(lock(), choice())) == ""
