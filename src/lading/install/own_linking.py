"""Fill a prefix without an engine: extracted packages are linked as their payloads say.

Files are hard links to the package cache, as engines make them. A file with a placeholder is
written, since it holds the prefix; one that its package wants unshared is copied.

Packages were checked together before (`lading.package.check_packages`), and the prefix is new: no
path lies below a link, or below a file of another package. Bytecode is left out where nobody wants
it: an engine links it, and then it would have to be removed.
"""

import errno
import os
import sys
from pathlib import Path

from lading.conda import Kind
from lading.engine import LINKING
from lading.install.bytecode import is_bytecode
from lading.install.contents import CondaPart
from lading.install.placement import write_content
from lading.package import Payload, PayloadFile
from lading.system import Progress, processors, spread

_NO_LINKS = {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP}
"""Why a file cannot be a hard link: another file system, too many links, none at all."""


def can_link() -> bool:
    """Whether lading links by itself: on macOS a program that was changed must be signed again."""
    return sys.platform.startswith("linux")


def link_payloads(part: CondaPart, prefix: Path, progress: Progress, *, bytecode: bool) -> None:
    """Fill `prefix`, which must not exist, by processes.

    `bytecode` says whether bytecode that packages bring is linked too.

    Raises:
        PrefixTooLongError: A placeholder has no room for the prefix.
        OSError: It cannot be written.
    """
    prefix.mkdir(parents=True)
    done = 0

    def count(_result: None) -> None:
        nonlocal done
        done += 1
        progress(LINKING, done, len(part.payloads))

    # The largest first: one of them alone at the end would leave the other cores idle.
    by_size = sorted(part.payloads, key=lambda item: -len(item.files))
    spread(lambda item: _link(item, part, prefix, bytecode=bytecode), by_size, processors(), count)


def is_linked(item: PayloadFile, *, bytecode: bool) -> bool:
    """Whether `link_payloads` puts a file or link of a payload into the prefix."""
    return item.kind is not Kind.DIRECTORY and (bytecode or not is_bytecode(item.path))


def _link(payload: Payload, part: CondaPart, prefix: Path, *, bytecode: bool) -> None:
    # Text: there are tens of thousands of paths below it.
    root = str(prefix)
    made = {""}
    for item in payload.files:
        if item.kind is Kind.DIRECTORY:
            directory = item.path
        elif is_linked(item, bytecode=bytecode):
            directory = item.path.rpartition("/")[0]
        else:
            continue
        if directory not in made:
            os.makedirs(f"{root}/{directory}", exist_ok=True)  # noqa: PTH103  # text
            made.add(directory)
        if item.kind is Kind.LINK:
            os.symlink(item.target, f"{root}/{item.path}")  # noqa: PTH211  # text
        elif item.kind is Kind.FILE:
            is_shared = item.place and not item.placeholder and item.place not in part.unshared
            if not (is_shared and _is_hard_link(item.place, f"{root}/{item.path}")):
                _write(item, f"{root}/{item.path}", prefix)


def _is_hard_link(source: str, path: str) -> bool:
    """Link a file; False where the file system cannot."""
    try:
        os.link(source, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


def _write(item: PayloadFile, path: str, prefix: Path) -> None:
    with open(path, "xb", buffering=0) as stream:  # noqa: PTH123  # text
        write_content(item, stream, prefix)
