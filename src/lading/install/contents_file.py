"""The contents of a finished installation, kept beside its bill.

To pack an environment again, its contents need not be worked out again: reading tens of thousands
of path entries takes longer than copying cached frames. What the file says was true when installing
ended; each file is held against its digest again when it is read for a tarball.
"""

from pathlib import Path

import msgspec

from lading.errors import NotAPrefixError
from lading.install.contents import PrefixContents
from lading.system import Digest, sha256_of, write_atomically

__all__ = ["CONTENTS_NAME", "read_contents_file", "write_contents_file"]

CONTENTS_NAME = "contents.msgpack"
_AGAIN = "run `lading install --force`"


def write_contents_file(directory: Path, contents: PrefixContents) -> Digest:
    """Write the contents into `directory`; the digest of what was written."""
    data = msgspec.msgpack.encode(contents)
    write_atomically(directory / CONTENTS_NAME, data)
    return sha256_of(data)


def read_contents_file(directory: Path, digest: str) -> PrefixContents:
    """The contents that were written into `directory`.

    Args:
        directory: Of the installation.
        digest: What the bill says of the file, hexadecimal.

    Raises:
        NotAPrefixError: The file is missing or is not the one that the bill was written with.
    """
    path = directory / CONTENTS_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotAPrefixError(f"{path}: {error.strerror}", hint=_AGAIN) from error
    if sha256_of(data).hex != digest:
        raise NotAPrefixError(f"{path} was changed", hint=_AGAIN)
    try:
        return msgspec.msgpack.decode(data, type=PrefixContents)
    except msgspec.DecodeError as error:
        raise NotAPrefixError(f"{path} was written by another lading", hint=_AGAIN) from error
