"""What a mistyped word was meant to be."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """The one of `known` that is most like `word`; empty where none is much like it."""
    import difflib  # noqa: PLC0415  # not needed on a good day

    found = difflib.get_close_matches(word, [item for item in known if item != word], n=1)
    return tuple(found)
