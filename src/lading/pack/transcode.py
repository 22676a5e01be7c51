"""From a lock to frames: each package's archive is streamed once, and becomes the package's frames.

Nothing is extracted and nothing linked, but for what must run: see `PrivatePrefix`. Packages whose
frames are known are not even fetched. Workers are processes that take packages, the largest first.
The first that needs the environment's python finds or unpacks it, while the others go on. A package
that is larger than its share is compressed by several threads.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from lading.conda import VARIABLES_DIRECTORY, RepodataRecord
from lading.errors import LockError
from lading.format import list_path
from lading.install import (
    InstallPlan,
    PrefixContents,
    PrivatePrefix,
    combine_contents,
    environment_payload,
    is_bytecode,
    project_payloads,
    without_bytecode,
)
from lading.pack.archive_members import ArchiveSource
from lading.pack.encode import EncodedPackage, Origin, Style, encode_package
from lading.pack.frame_cache import KeptPackage
from lading.pack.known_frames import KnownFrames, Python, conda_key, pip_key
from lading.pack.members import mtime_of, shipped_members
from lading.package import (
    KnownInfo,
    Payload,
    PayloadFile,
    PythonLayout,
    check_environment,
    placed_path,
    resolve_clobbering,
    time_of,
)
from lading.system import (
    Progress,
    decode_msgpack,
    in_order,
    no_progress,
    read_regular,
    spread,
    temporary_directory,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcoded:
    """An environment whose frames were made without installing it; see `Packable`."""

    plan: InstallPlan
    contents: PrefixContents


Frames = dict[tuple[str, str], KeptPackage]
"""Manager and name → frames."""

CONDA = "conda"
PIP = "pip"


@dataclass(slots=True, kw_only=True)
class Transcoding:
    """Makes the frames of an environment.

    Attributes:
        private: Where programs run, if any must.
        style: Of the frames.
        known: What was made before.
        workers: How many packages are worked on at once.
        adopted: Files that link scripts made.
        progress: Told of each package.
    """

    private: PrivatePrefix
    style: Style
    known: KnownFrames
    workers: int = 1
    adopted: tuple[PayloadFile, ...] = ()
    progress: Progress = no_progress
    _python: Python = ("", False)
    _layout: PythonLayout | None = None
    _archives: dict[str, Path] = field(default_factory=dict)
    _infos: dict[str, KnownInfo] = field(default_factory=dict)
    _dropped: dict[str, frozenset[str]] = field(default_factory=dict)

    def run(self) -> tuple[Transcoded, Frames]:
        """Make what is not known; return the environment, and all frames.

        The frames lie in the directory of `private`, or in a cache.

        Raises:
            FetchError: An archive could not be fetched.
            IntegrityError: An archive is not a sound package, or packages cannot share a prefix.
            EngineError: The engine or uv failed.
            PrefixError: A pip package and a conda package own the same path.
        """
        records = self.private.plan.records
        digests = [item.sha256.hex for item in records if item.name == "python" and item.sha256]
        self._python = "".join(digests), self.private.plan.bytecode
        frames = self._find_conda(records)
        self._read_infos(item for item in records if (CONDA, item.name) not in frames)
        self._layout = self._find_python(frames)
        clobbered = self._resolve(frames)
        losers = [item for item in records if item.distribution in self._dropped]
        for item in losers:
            frames.pop((CONDA, item.name), None)
        frames |= self._find_conda(losers)
        missing = [item for item in records if (CONDA, item.name) not in frames]
        self._read_infos(missing)
        wheels = self._find_wheels()
        frames |= wheels
        self._make(missing, has_wheels=len(wheels) == len(self.private.plan.wheels), frames=frames)
        contents = self._contents(frames, clobbered)
        return Transcoded(plan=self.private.plan, contents=contents), frames

    def _contents(self, frames: Frames, clobbered: Mapping[str, tuple[str, ...]]) -> PrefixContents:
        """The contents that `frames` hold, checked together."""
        plan = self.private.plan
        origins = {item.distribution: frames[CONDA, item.name].origin for item in plan.records}
        checked = {name: origin.checked for name, origin in origins.items() if origin.checked}
        check_environment(checked, plan.lockfile.platform)
        pip = [_payload(frames[PIP, item.name]) for item in plan.wheels]
        return combine_contents(
            [_payload(frames[CONDA, item.name]) for item in plan.records],
            sorted(pip, key=lambda payload: payload.name),
            (
                *project_payloads(plan.lockfile, self.private.tree.root),
                environment_payload(plan.lockfile.variables, self.adopted),
            ),
            self._layout,
            clobbered,
        )

    def _conda_key(self, record: RepodataRecord, *, needs_python: bool) -> str:
        dropped = self._dropped.get(record.distribution, ())
        return conda_key(record, self.style, dropped, self._python if needs_python else None)

    def _find_conda(self, records: Sequence[RepodataRecord]) -> Frames:
        """The known frames of conda packages."""

        def find(item: RepodataRecord) -> KeptPackage | None:
            keys = (self._conda_key(item, needs_python=needed) for needed in (True, False))
            return self.known.find(*keys)

        with in_order(find, records, self.workers) as found:
            pairs = zip(records, found, strict=True)
            return {(CONDA, item.name): kept for item, kept in pairs if kept is not None}

    def _find_wheels(self) -> Frames:
        """The known frames of pip distributions."""
        wheels = self.private.plan.wheels
        found = {
            item.name: self.known.find(pip_key(item, wheels, self.style, self._python))
            for item in wheels
        }
        return {(PIP, name): kept for name, kept in found.items() if kept is not None}

    def _read_infos(self, records: Iterable[RepodataRecord]) -> None:
        """Fetch archives, and read what the packages say of themselves."""
        wanted = tuple(item for item in records if item.distribution not in self._infos)
        if not wanted:
            return
        self._archives |= self.private.fetch(wanted).conda

        def read(item: RepodataRecord) -> bytes:
            info = KnownInfo.read(item.file_name, self._archives[item.distribution])
            return msgspec.msgpack.encode((item.distribution, info))

        def found(answer: bytes) -> None:
            self._infos.update([decode_msgpack(answer, tuple[str, KnownInfo])])

        spread(read, wanted, self.workers, found)

    def _find_python(self, frames: Frames) -> PythonLayout | None:
        for record in self.private.plan.records:
            if record.name == "python" and record.sha256 is not None:
                kept = frames.get((CONDA, record.name))
                checked = kept.origin.checked if kept is not None else None
                return PythonLayout.of(
                    checked or self._infos[record.distribution].info, record.sha256
                )
        return None

    def _resolve(self, frames: Frames) -> Mapping[str, tuple[str, ...]]:
        """Find out which paths packages lose to others; return what was contested."""
        records = self.private.plan.records
        listed = [
            Payload(
                name=record.name,
                version=record.version,
                files=tuple(
                    PayloadFile(path=path)
                    for path in self._paths(record, frames)
                    if not is_bytecode(path)
                ),
            )
            for record in records
        ]
        resolved, clobbered = resolve_clobbering(listed)
        for record, before, after in zip(records, listed, resolved, strict=True):
            lost = {item.path for item in before.files} - {item.path for item in after.files}
            if lost:
                self._dropped[record.distribution] = frozenset(lost)
        return clobbered

    def _paths(self, record: RepodataRecord, frames: Frames) -> Iterable[str]:
        """Where the files of a package lie in the prefix."""
        kept = frames.get((CONDA, record.name))
        if kept is not None:
            return [item.path for item in kept.encoded.files]
        info = self._infos[record.distribution].info
        paths = {placed_path(entry.path, info, self._layout) for entry in info.paths}
        if info.noarch == "python":
            paths |= {f"bin/{item.command}" for item in info.entry_points}
        return paths | {f"conda-meta/{record.distribution}.json"}

    def _make(self, records: Sequence[RepodataRecord], *, has_wheels: bool, frames: Frames) -> None:
        """Make frames in worker processes, and add them to `frames`."""
        sizes = {item.name: self._archives[item.distribution].stat().st_size for item in records}
        share = sum(sizes.values()) / self.workers
        work: list[Callable[[], Frames]] = [
            partial(
                self._encode_conda, item, threads=self.workers if sizes[item.name] > share else 1
            )
            for item in sorted(records, key=lambda item: -sizes[item.name])
        ]
        if not has_wheels:
            work.append(self._encode_wheels)
        total = len(work)
        done = 0

        def finished(made: bytes) -> None:
            nonlocal done
            frames.update(_unpacked(made))
            done += 1
            self.progress("transcode", done, total)

        spread(lambda job: _packed(job()), work, self.workers, finished)

    def _encode_conda(self, record: RepodataRecord, threads: int) -> Frames:
        info = self._infos[record.distribution].info
        needs_python = info.noarch == "python" or any(
            entry.path.endswith((".py", ".pyc")) for entry in info.paths
        )

        def encode(keep: Callable[[bytes], object]) -> EncodedPackage:
            with temporary_directory(self.private.directory, record.name) as scratch:
                source = ArchiveSource(
                    record=record,
                    archive=self._archives[record.distribution],
                    known=self._infos[record.distribution],
                    python=self._layout,
                    dropped=self._dropped.get(record.distribution, ()),
                    compile=self._compile if self.private.plan.bytecode and self._layout else None,
                    scratch=scratch,
                )
                encoded = encode_package(
                    source.members(),
                    path=list_path(CONDA, record.name),
                    mtime=mtime_of(time_of(info), self.style.newest),
                    style=self.style,
                    keep=keep,
                    threads=threads,
                )
            return msgspec.structs.replace(encoded, origin=source.origin)

        key = self._conda_key(record, needs_python=needs_python)
        return {(CONDA, record.name): self.known.store(key, encode)}

    def _encode_wheels(self) -> Frames:
        """Install the pip part, and make its frames."""
        layout, plan = self._layout, self.private.plan
        if layout is None:
            raise LockError(
                f"{plan.environment} has pip packages and no python",
                hint="add python and lock again",
            )
        payloads: Sequence[Payload] = self.private.install_wheels(layout)
        if plan.bytecode:
            payloads = self.private.compiler(layout).compile_all(payloads)
        else:
            payloads = [without_bytecode(payload) for payload in payloads]
        wheels = {item.name: item for item in plan.wheels}
        frames = {}
        for payload in payloads:
            key = pip_key(wheels[payload.name], plan.wheels, self.style, self._python)
            frames[PIP, payload.name] = self.known.store(key, partial(self._encode_pip, payload))
        return frames

    def _encode_pip(self, payload: Payload, keep: Callable[[bytes], object]) -> EncodedPackage:
        encoded = encode_package(
            shipped_members(payload, self.private.prefix),
            path=list_path(PIP, payload.name),
            mtime=mtime_of(payload.mtime, self.style.newest),
            style=self.style,
            keep=keep,
        )
        variables = tuple(
            msgspec.structs.replace(item, content=read_regular(item.place))
            for item in payload.files
            if item.path.startswith(VARIABLES_DIRECTORY) and item.place
        )
        light = msgspec.structs.replace(payload, files=variables)
        return msgspec.structs.replace(encoded, origin=Origin(checked=None, payload=light))

    def _compile(self, layout: PythonLayout, payload: Payload) -> Payload:
        """Give a package bytecode."""
        return self.private.compiler(layout).compile_all([payload])[0]


def _packed(frames: Frames) -> bytes:
    """What a worker answers: pickling tens of thousands of entries takes ten times as long."""
    answer = [(*key, str(kept.path), kept.encoded) for key, kept in frames.items()]
    return msgspec.msgpack.encode(answer)


def _unpacked(answer: bytes) -> Frames:
    found = decode_msgpack(answer, list[tuple[str, str, str, EncodedPackage]])
    return {
        (manager, name): KeptPackage(path=Path(path), encoded=encoded)
        for manager, name, path, encoded in found
    }


def _payload(kept: KeptPackage) -> Payload:
    """The payload that lies in frames; contents are there for variables alone."""
    known = {item.path: item for item in kept.origin.payload.files}
    files = tuple(
        known.get(item.path) or PayloadFile(path=item.path, kind=item.type, size=item.size)
        for item in kept.encoded.files
    )
    return msgspec.structs.replace(kept.origin.payload, files=files)
