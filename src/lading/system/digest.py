"""Digests as values: an algorithm and lower-case hexadecimal text, never a bare string."""

import hashlib
import re
from enum import StrEnum
from io import RawIOBase
from pathlib import Path

import msgspec

CHUNK_BYTES = 1 << 20
PIECE_BYTES = 1 << 18


class Algorithm(StrEnum):
    """The digest algorithms of the conda world; md5 only where a format demands it."""

    SHA256 = "sha256"
    MD5 = "md5"

    @property
    def hex_length(self) -> int:
        """The number of hexadecimal digits of a digest."""
        return {Algorithm.SHA256: 64, Algorithm.MD5: 32}[self]


_WELL_FORMED = {
    algorithm: re.compile(f"[0-9a-f]{{{algorithm.hex_length}}}") for algorithm in Algorithm
}


class Digest(msgspec.Struct, frozen=True, order=True, array_like=True):
    """The digest of some bytes.

    Attributes:
        hex: Lower-case hexadecimal digits, of the algorithm's length.
    """

    algorithm: Algorithm
    hex: str

    def __post_init__(self) -> None:
        """Refuse what cannot be a digest."""
        if not _WELL_FORMED[self.algorithm].fullmatch(self.hex):
            raise ValueError(f"{self.hex!r} is not a {self.algorithm} digest")

    def __str__(self) -> str:
        """`algorithm:hex`."""
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def sha256(cls, hexadecimal: str) -> "Digest":
        """The SHA-256 digest written as `hexadecimal`, in either case.

        Raises:
            ValueError: `hexadecimal` is not 64 hexadecimal digits.
        """
        return cls(Algorithm.SHA256, hexadecimal.lower())

    @classmethod
    def md5(cls, hexadecimal: str) -> "Digest":
        """The MD5 digest written as `hexadecimal`, in either case.

        Raises:
            ValueError: `hexadecimal` is not 32 hexadecimal digits.
        """
        return cls(Algorithm.MD5, hexadecimal.lower())


def sha256_of(data: bytes | memoryview) -> Digest:
    """The SHA-256 digest of `data`."""
    return Digest(Algorithm.SHA256, hashlib.sha256(data).hexdigest())


def digest_of_file(path: Path, algorithm: Algorithm) -> Digest:
    """The digest of the content of the file at `path`.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb", buffering=0) as stream:
        return Digest(algorithm, hashlib.file_digest(stream, algorithm).hexdigest())


def sha256_of_file(path: Path) -> Digest:
    """The SHA-256 digest of the content of the file at `path`.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb", buffering=0) as stream:
        return sha256_of_stream(stream)


def sha256_of_stream(stream: RawIOBase) -> Digest:
    """The SHA-256 digest of the rest of an unbuffered stream.

    Raises:
        OSError: It cannot be read.
    """
    hasher = hashlib.sha256()
    # Of many small files `hashlib.file_digest` spends most of its time on clearing its buffer.
    while chunk := stream.read(PIECE_BYTES):
        hasher.update(chunk)
    return Digest(Algorithm.SHA256, hasher.hexdigest())
