"""Digests as values."""

import hashlib
from pathlib import Path

import pytest

from lading.system.digest import Algorithm, Digest, sha256_of, sha256_of_file

LOADED = hashlib.sha256(b"payload").hexdigest()


def test_a_digest_is_lower_case() -> None:
    """Hexadecimal digits of either case give the same digest."""
    assert Digest.sha256(LOADED) == Digest.sha256(LOADED.upper())


def test_text_names_the_algorithm() -> None:
    """A digest as text says how it was computed."""
    assert f"sha256:{LOADED}" == str(sha256_of(b"payload"))


def test_md5_is_shorter() -> None:
    """An MD5 digest has 32 digits."""
    assert Algorithm.MD5 is Digest.md5("0" * 32).algorithm


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "g" * 64, "0" * 63 + "\n", "0" * 32])
def test_what_is_no_digest_is_refused(text: str) -> None:
    """Another length or another character is not a SHA-256 digest."""
    with pytest.raises(ValueError, match="is not a sha256 digest"):
        Digest.sha256(text)


def test_upper_case_is_refused_by_the_value_itself() -> None:
    """The value has one form only."""
    with pytest.raises(ValueError, match="is not a sha256 digest"):
        Digest(Algorithm.SHA256, "A" * 64)


def test_a_file_has_the_digest_of_its_content(tmp_path: Path) -> None:
    """The digest of a file is that of its bytes."""
    path = tmp_path / "file"
    path.write_bytes(b"payload")
    assert sha256_of(b"payload") == sha256_of_file(path)
