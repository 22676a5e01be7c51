"""What a conda package ships, read from its archive as that streams; nothing is extracted.

The members come in this order: files and links as they stand in the archive; second names of files
(hard links); directories; python sources, each with its bytecode behind it; what is generated. So a
member is written when it is read, except sources and bytecode, which are held until it is known
which of them fit. They hold much the same text, and compress better side by side.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from lading.conda import VARIABLES_DIRECTORY, Kind, PathType, RepodataRecord
from lading.install import is_bytecode, sources_of
from lading.pack.encode import Origin
from lading.pack.members import Buffer, ShippedMember, check_promised, shipped_member
from lading.package import (
    LARGEST_SOURCE,
    OWNER_EXECUTE,
    ArchiveCheck,
    CheckedPackage,
    Content,
    KnownInfo,
    Member,
    MemberType,
    PackageInfo,
    PathEntry,
    Payload,
    PayloadFile,
    PythonLayout,
    archive_errors,
    assemble_payload,
    check_record,
    placed_path,
    read_members,
    with_header,
)
from lading.system import sha256_of

Compile = Callable[[PythonLayout, Payload], Payload]
"""Gives a payload the bytecode of its sources."""


class _Held(NamedTuple):
    """The content of a file, and its SHA-256, hexadecimal."""

    data: bytes
    sha256: str


@dataclass(kw_only=True)
class ArchiveSource:
    """A package archive as the source of the members that it ships.

    Attributes:
        record: From the lock.
        archive: Its digest was checked.
        known: What the package says of itself.
        python: The environment's python, or None.
        dropped: Prefix-relative paths that other packages provide.
        compile: Makes bytecode; None leaves bytecode out.
        scratch: A directory for files that must lie on a disk, absolute.
        origin: What is known of the package, after the last member.
    """

    record: RepodataRecord
    archive: Path
    known: KnownInfo
    python: PythonLayout | None
    dropped: Collection[str]
    compile: Compile | None
    scratch: Path
    origin: Origin | None = None
    _found: dict[str, PayloadFile] = field(default_factory=dict)
    _hardlinks: list[Member] = field(default_factory=list)
    _bytecode: dict[str, bytes] = field(default_factory=dict)
    _sources: dict[str, _Held] = field(default_factory=dict)
    _variables: list[PayloadFile] = field(default_factory=list)

    def members(self) -> Iterator[ShippedMember]:
        """Everything that the package ships; the archive is checked when the last one has come.

        Raises:
            ArchiveError: It is not a sound package.
            UnsafePathError: It holds something below a link.
            DigestMismatchError: A file is not what the package says.
        """
        check_record(self.record, self.info, self.python)
        check = ArchiveCheck(self._name, self.known)
        with self._stream() as members:
            for member, content in members:
                shipped = self._member(member, content, check.look(member, content))
                if shipped is not None:
                    yield shipped
        checked = check.finish()
        yield from self._linked(check.members)
        payload = assemble_payload(self.record, self.info, list(self._listed()), self.python)
        files = [item for item in payload.files if item.path not in self.dropped]
        yield from (self._shipped(item) for item in files if item.kind is Kind.DIRECTORY)
        yield from self._with_bytecode(files, checked)
        yield from (self._shipped(item) for item in files if item.content is not None)
        light = msgspec.structs.replace(payload, files=tuple(self._variables))
        self.origin = Origin(checked=checked, payload=light)

    @property
    def info(self) -> PackageInfo:
        """What the package says of itself."""
        return self.known.info

    @cached_property
    def _name(self) -> str:
        return self.record.file_name

    @contextmanager
    def _stream(self) -> Iterator[Iterator[tuple[Member, Content | None]]]:
        with archive_errors(self._name), self.archive.open("rb") as stream:
            yield read_members(self._name, stream)

    @cached_property
    def _entries(self) -> dict[str, PathEntry]:
        return {entry.path: entry for entry in self.info.paths}

    @cached_property
    def _kept(self) -> set[str]:
        """The paths in the archive of what is shipped as it stands there."""
        places = {
            placed_path(entry.path, self.info, self.python): entry.path for entry in self.info.paths
        }
        if self.info.noarch == "python":
            for item in self.info.entry_points:
                places.pop(f"bin/{item.command}", None)
        return {path for place, path in places.items() if place not in self.dropped}

    def _shipped(self, item: PayloadFile) -> ShippedMember:
        return shipped_member(item, "conda", self.scratch)

    def _member(
        self, member: Member, content: Content | None, data: bytes | None
    ) -> ShippedMember | None:
        """What one member of the archive becomes at once, if anything; its type is checked later.

        Args:
            member: In the archive.
            content: Of a file.
            data: All of its content, if that was read already.
        """
        entry = self._entries.get(member.path)
        if entry is None or member.type is MemberType.DIRECTORY:
            return None
        if member.type is MemberType.HARDLINK:
            self._hardlinks.append(member)
            return None
        item = self._found[member.path] = self._item(entry, member)
        if member.path not in self._kept or (content and self._holds(item, content, data)):
            return None
        return self._file(item, content, data) if content else self._shipped(item)

    def _holds(self, item: PayloadFile, content: Content, data: bytes | None) -> bool:
        """Hold a source, or bytecode; return whether the file is one of them."""
        if is_bytecode(item.path):
            if self.compile is not None and (item.size or 0) <= LARGEST_SOURCE:
                self._bytecode[item.path] = self._checked(item, content, data).data
            return True
        is_source = _is_source(item)
        if is_source:
            self._sources[item.path] = self._checked(item, content, data)
        return is_source

    def _item(self, entry: PathEntry, member: Member) -> PayloadFile:
        path = placed_path(entry.path, self.info, self.python)
        if member.type is MemberType.LINK:
            return PayloadFile(path=path, kind=Kind.LINK, target=member.target)
        return PayloadFile(
            path=path,
            executable=bool(member.mode & OWNER_EXECUTE),
            # The sha256 of a soft link is that of what it points to; here it is a file after all.
            sha256=entry.sha256 if entry.type is PathType.HARDLINK else None,
            size=member.size,
            placeholder=entry.placeholder,
            mode=entry.mode,
        )

    def _file(self, item: PayloadFile, content: Content, data: bytes | None) -> ShippedMember:
        """A file as it is shipped; one with a placeholder is held in memory."""
        is_variables = item.path.startswith(VARIABLES_DIRECTORY) and item.path.endswith(".json")
        if item.placeholder or is_variables:
            data = self._checked(item, content, data).data
            if is_variables:
                self._variables.append(msgspec.structs.replace(item, content=data))
            return self._shipped(msgspec.structs.replace(item, content=data))
        return self._plain(item, content.chunks if data is None else lambda: iter((data,)))

    def _plain(
        self, item: PayloadFile, read: Callable[[], Iterator[Buffer]], sha256: str = ""
    ) -> ShippedMember:
        """A file that is shipped as it is; its digest is given where it was compared already."""
        return ShippedMember(
            path=item.path,
            kind=Kind.FILE,
            size=item.size or 0,
            executable=item.executable,
            read=read,
            sha256=sha256,
            promised=item.sha256,
            place=self._name,
        )

    def _checked(self, item: PayloadFile, content: Content, data: bytes | None) -> _Held:
        """The content of a file, compared with what its package says."""
        held = content.read() if data is None else data
        digest = sha256_of(held).hex
        check_promised(item.path, digest, item.sha256, self._name)
        return _Held(held, digest)

    def _linked(self, members: Mapping[str, Member]) -> Iterator[ShippedMember]:
        """The second names of files, for which the archive is read once more."""
        targets = {member.target: self.scratch / str(n) for n, member in enumerate(self._hardlinks)}
        self._place(targets)
        for member in self._hardlinks:
            entry, target = self._entries[member.path], members[member.target]
            item = self._item(entry, msgspec.structs.replace(target, path=member.path))
            self._found[member.path] = item
            if member.path in self._kept and not is_bytecode(item.path):
                place = str(targets[member.target])
                yield self._shipped(msgspec.structs.replace(item, place=place))

    def _place(self, targets: Mapping[str, Path]) -> None:
        """Extract files of the archive: path in it → place."""
        if not targets:
            return
        with self._stream() as members:
            for member, content in members:
                target = targets.get(member.path)
                if target is not None and content is not None:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as stream:
                        stream.writelines(content.chunks())

    def _listed(self) -> Iterator[PayloadFile]:
        """All that the package lists, dropped or not, in its order."""
        for entry in self.info.paths:
            item = self._found.get(entry.path)
            path = placed_path(entry.path, self.info, self.python)
            yield item or PayloadFile(path=path, kind=Kind.DIRECTORY)

    def _with_bytecode(
        self, files: Iterable[PayloadFile], checked: CheckedPackage
    ) -> Iterator[ShippedMember]:
        """The sources among `files`, each with its bytecode behind it, brought or compiled."""
        sources = [item for item in files if item.path in self._sources]
        bytecode = self._find_bytecode(sources, checked) if sources else {}
        for item in sources:
            data, digest = self._sources.pop(item.path)
            yield self._plain(item, partial(iter, (data,)), digest)
            if item.path in bytecode:
                yield self._shipped(bytecode.pop(item.path))

    def _find_bytecode(
        self, sources: Iterable[PayloadFile], checked: CheckedPackage
    ) -> dict[str, PayloadFile]:
        """Path of a source → its bytecode."""
        if self.compile is None or self.python is None:
            return {}
        payload = Payload(
            name=self.record.name,
            version=self.record.version,
            sha256=self.record.sha256,
            files=tuple(
                msgspec.structs.replace(item, content=self._sources[item.path].data)
                for item in sources
            ),
        )
        rest = {item.path: item for item in sources_of(payload, self.python)}
        made = {
            item.source: PayloadFile(path=item.path, content=with_header(held, item.header))
            for item in checked.bytecode
            if self.python.released
            and item.source in rest
            and (held := self._bytecode.pop(item.path, None)) is not None
            and rest.pop(item.source) is not None
        }
        payload = msgspec.structs.replace(payload, files=tuple(rest.values()))
        compiled = self.compile(self.python, payload)
        for item in compiled.files:
            if is_bytecode(item.path):
                directory, _, name = item.path.rpartition("__pycache__/")
                module, _tag, _suffix = name.rsplit(".", 2)
                made[f"{directory}{module}.py"] = item
        return made


def _is_source(item: PayloadFile) -> bool:
    """Whether a file is a source that may have bytecode."""
    is_small = (item.size or 0) <= LARGEST_SOURCE
    return item.path.endswith(".py") and not item.placeholder and is_small
