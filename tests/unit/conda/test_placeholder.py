"""Replacing a placeholder, and taking it back."""

import time

import pytest

from lading.conda.paths import FileMode
from lading.conda.placeholder import (
    Occurrences,
    check_placeholder,
    find_occurrences,
    relocated_chunks,
    replace_placeholder,
    restore_placeholder,
)
from lading.errors import PrefixTooLongError

OLD = b"/placeholder"


def text(data: bytes) -> Occurrences:
    """Where the placeholder stands in a text."""
    return find_occurrences(data, OLD, FileMode.TEXT)


def binary(data: bytes) -> Occurrences:
    """Where the placeholder stands in a binary file."""
    return find_occurrences(data, OLD, FileMode.BINARY)


def test_offsets_in_a_text() -> None:
    """A text has one group of all offsets."""
    assert ((0, 14),) == text(OLD + b"a\n" + OLD).groups


def test_offsets_in_a_binary_file() -> None:
    """Each C string is a group that ends with the offset of its NUL."""
    data = b"\0" + OLD + b":" + OLD + b"\0x" + OLD + b"/lib\0"
    assert ((1, 14, 26), (28, 44)) == binary(data).groups


def test_a_string_without_end_does_not_count() -> None:
    """Without a NUL behind it, it is not a C string."""
    assert () == binary(b"x\0" + OLD).groups


@pytest.mark.parametrize("data", [b"", b"nothing", OLD[:-1]])
def test_nothing_to_replace(data: bytes) -> None:
    """Content without placeholder is false, and stays as it is."""
    where = text(data)
    assert (False, data) == (bool(where), replace_placeholder(data, where, b"/new"))


def test_a_text_changes_its_length() -> None:
    """In a text the prefix takes the room that it needs."""
    data = b"a=" + OLD + b"/b\n" + OLD
    assert b"a=/n/b\n/n" == replace_placeholder(data, text(data), b"/n")


def test_a_text_may_get_longer() -> None:
    """A text has room for a prefix of any length."""
    prefix = b"/" + b"n" * 300
    assert b"a" + prefix == replace_placeholder(b"a" + OLD, text(b"a" + OLD), prefix)


def test_a_binary_file_keeps_its_length() -> None:
    """What a C string gets shorter is filled with NUL at its end."""
    data = b"\0" + OLD + b"/lib:" + OLD + b"\0rest"
    assert b"\0/n/lib:/n" + bytes(20) + b"\0rest" == replace_placeholder(data, binary(data), b"/n")


def test_a_prefix_may_be_as_long_as_the_placeholder() -> None:
    """The longest legal prefix fills the room of the placeholder."""
    prefix = b"/" + b"n" * (len(OLD) - 1)
    assert prefix + b"\0" == replace_placeholder(OLD + b"\0", binary(OLD + b"\0"), prefix)


def test_a_prefix_must_fit_into_a_binary_file() -> None:
    """A longer prefix is refused with the length that would do."""
    with pytest.raises(PrefixTooLongError, match="has 13 bytes, and at most 12 fit") as caught:
        replace_placeholder(OLD + b"\0", binary(OLD + b"\0"), OLD + b"x")
    assert ("at most 12 bytes", "13 bytes") == (caught.value.expected, caught.value.actual)


def test_the_length_does_not_matter_where_nothing_is_replaced() -> None:
    """A binary file without placeholder accepts any prefix."""
    assert b"x\0" == replace_placeholder(b"x\0", binary(b"x\0"), b"/" * 100)


@pytest.mark.parametrize("mode", list(FileMode))
@pytest.mark.parametrize("prefix", [b"/n", b"/", OLD])
def test_relocation_is_taken_back(mode: FileMode, prefix: bytes) -> None:
    """Restoring gives the shipped content, though the prefix may stand there for other reasons."""
    data = b"/n/\0" + OLD + b"/n" + OLD + b"/\0\0tail/n" + OLD + b"\0"
    where = find_occurrences(data, OLD, mode)
    assert data == restore_placeholder(replace_placeholder(data, where, prefix), where, prefix)


@pytest.mark.parametrize(
    ("found", "prefix"),
    [
        (b"a=/x/b", b"/n"),
        (b"a=/", b"/n"),
        (b"", b"/n"),
        (b"a=/n", b"/nn"),
    ],
)
def test_another_prefix_in_a_text(found: bytes, prefix: bytes) -> None:
    """A text that does not name the prefix where it should is not taken back."""
    assert None is restore_placeholder(found, text(b"a=" + OLD + b"/b"), prefix)


@pytest.mark.parametrize(
    ("found", "prefix"),
    [
        (b"/x" + bytes(11), b"/n"),
        (b"/n" + bytes(9) + b"x\0", b"/n"),
        (b"/n", b"/n"),
        (OLD + b"\0", OLD + b"x"),
    ],
)
def test_another_prefix_in_a_binary_file(found: bytes, prefix: bytes) -> None:
    """A binary file must have the prefix, and the NULs that it left."""
    assert None is restore_placeholder(found, binary(OLD + b"\0"), prefix)


def test_the_search_is_linear() -> None:
    """A megabyte of placeholders without a NUL takes no hours."""
    data = b"/abcd" * 200_000
    started = time.monotonic()
    assert not find_occurrences(data, b"/abcd", FileMode.BINARY)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("placeholder", ["/", "/abc", "/" * 1025, "/abc\0def"])
def test_placeholders_of_no_package(placeholder: str) -> None:
    """Too short, too long, or cut by a NUL."""
    with pytest.raises(ValueError, match="placeholder"):
        check_placeholder(placeholder)


@pytest.mark.parametrize("placeholder", ["/abcd", "/" * 1024, "C:/build/h_env"])
def test_placeholders_of_packages(placeholder: str) -> None:
    """Any path of five bytes to a thousand."""
    check_placeholder(placeholder)


@pytest.mark.parametrize("mode", list(FileMode))
def test_placeholders_are_counted(mode: FileMode) -> None:
    """A small tarball can hold a large file that is nothing but placeholders."""
    data = (OLD + b"\0") * 3
    assert b"".join(relocated_chunks(data, OLD, mode, b"/new", 3)).startswith(b"/new")
    with pytest.raises(ValueError, match="more than 2 placeholders"):
        list(relocated_chunks(data, OLD, mode, b"/new", 2))
