"""The form in which files are shipped, by the rules of conda-pack: the only module that uses it.

conda-pack's `Packer` is driven with one script at a time and an archive object of ours, so its
rules for their first lines stay its own; every other file it ships as it is, for `conda-unpack`.
One thing is put right: scripts of the environment's interpreters find them beside themselves
instead of by PATH, or get the place written into their first line when they are relocated.

Source: conda-pack 0.9.2, `core.py` (`Packer.add`, `Packer.finish`, `File`).
"""

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from conda_pack.core import File, Packer

from lading.conda import FileMode, Occurrences, find_occurrences
from lading.errors import ArchiveError
from lading.package import PayloadFile, script_for

PIP_PLACEHOLDER = "/opt/lading" + "_placehold" * 24
"""Stands for the build prefix in files of pip distributions; as long as conda-build's."""

NOTHING_TO_REPLACE = Occurrences(placeholder=b"", mode=FileMode.TEXT, groups=())

_INTERPRETER = rb"/([^ \t\r\n]+)([^\r\n]*)\n"
_OTHER_CODING = re.compile(rb"[^\n]*\n[ \t\f]*#.*?coding[:=][ \t]*(?!utf-?8)[-\w.]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """The content of a file as it is shipped.

    Attributes:
        content: The whole of it.
        occurrences: What relocation will replace; empty where conda-pack has done it for good.
    """

    content: bytes
    occurrences: Occurrences


class _Recorder:
    """The archive object that conda-pack writes to; keeps the one content that it is given."""

    content = b""

    def add_bytes(self, _source: str, data: bytes, _target: str) -> None:
        self.content = data


def shipped_form(item: PayloadFile, content: bytes) -> Shipped:
    """The shipped form of a conda file with a placeholder, which has this content."""
    placeholder = item.placeholder.encode()
    if item.mode is FileMode.TEXT and item.path.startswith("bin/"):
        located = _self_locating(item.path, content, item.placeholder)
        content = _by_conda_pack(item, content) if located is None else located
    return Shipped(content=content, occurrences=find_occurrences(content, placeholder, item.mode))


def _by_conda_pack(item: PayloadFile, content: bytes) -> bytes:
    """A script in `bin` as conda-pack ships it, which reads it from a file."""
    recorder = _Recorder()
    with NamedTemporaryFile() as stream:
        stream.write(content)
        stream.flush()
        Packer(item.placeholder, recorder).add(
            File(
                stream.name,
                item.path,
                is_conda=True,
                file_mode=str(item.mode),
                prefix_placeholder=item.placeholder,
            )
        )
    return recorder.content


def _self_locating(path: str, content: bytes, placeholder: str) -> bytes | None:
    """A script in `bin` that finds its interpreter itself, or is told of the place when unpacked.

    Returns:
        None for what is not a script of the environment's own interpreters.
    """
    first = re.match(rb"#! *" + re.escape(placeholder.encode()) + _INTERPRETER, content)
    if first is None:
        return None
    if _OTHER_CODING.match(content) or not first.group().isascii():
        return content
    program, options = (group.decode() for group in first.groups())
    interpreter = posixpath.relpath(program, posixpath.dirname(path))
    return script_for(interpreter, options.strip(), content[first.end() :]) or content


def shipped_pip_form(item: PayloadFile, content: bytes, prefix: Path) -> Shipped:
    """The shipped form of a file of a pip distribution: without the prefix it was installed into.

    Raises:
        ArchiveError: The prefix stands in a binary file, where nothing can stand for it.
    """
    build_prefix = str(prefix).encode()
    if build_prefix not in content:
        return Shipped(content=content, occurrences=NOTHING_TO_REPLACE)
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise ArchiveError(
            f"{item.path} is binary and holds the path {prefix}",
            hint="take its package from a conda channel",
        ) from error
    placeholder = PIP_PLACEHOLDER.encode()
    replaced = content.replace(build_prefix, placeholder)
    return Shipped(
        content=replaced, occurrences=find_occurrences(replaced, placeholder, FileMode.TEXT)
    )
