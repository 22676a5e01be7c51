"""Write frames of a tarball to disk, by all workers at once.

A frame is a job. Several workers write one large file, each the pieces in its frames; the last of
its pieces makes one more job: the file is relocated, or compared with its digest for a store.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from lading.format import Frame, FrameSlice, ManifestFile, TarballSource
from lading.node.frame_writer import begin_large, end_large, write_frame
from lading.system import Job, run_jobs


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A frame and the place that it is written to.

    Attributes:
        bill: The frame.
        root: Directory of its members, absolute; the directories below it are made.
    """

    bill: FrameSlice
    root: Path


def extract(
    source: TarballSource,
    targets: Sequence[Target],
    prefix: bytes | None,
    workers: int,
    done: Callable[[Path], None],
) -> None:
    """Write `targets`.

    Args:
        source: The tarball that they are in.
        targets: In the order of the archive, all frames of a package together.
        prefix: What takes the place of placeholders; None leaves them as they are shipped.
        workers: How many at once.
        done: Told the root of each frame that is written completely, with the large files that end
            in it.

    Raises:
        IntegrityError: A frame does not match the bill.
        FetchError: The server does not send it.
        MachineError: A worker was killed.
        OSError: It cannot be written.
    """
    _Extraction(source, targets, prefix, done).run(workers)


class _LargeFile(msgspec.Struct, frozen=True, kw_only=True):
    """A member that several frames hold.

    Attributes:
        file: Its entry in the list.
        mtime: Unix seconds.
        root: Directory that its path is relative to.
        frames: Numbers of the targets that hold its pieces, in order.
    """

    file: ManifestFile
    mtime: int
    root: Path
    frames: tuple[int, ...]


class _Extraction:
    """What is to be written, and what of it is."""

    def __init__(
        self,
        source: TarballSource,
        targets: Sequence[Target],
        prefix: bytes | None,
        done: Callable[[Path], None],
    ) -> None:
        self._source = source
        self._targets = targets
        self._prefix = prefix
        self._done = done
        self._large = _large_files(targets)
        self._waiting = [set(item.frames) for item in self._large]
        self._of_frame: dict[int, list[int]] = {}
        for number, item in enumerate(self._large):
            for frame in item.frames:
                self._of_frame.setdefault(frame, []).append(number)
        self._open = Counter({frame: 1 + len(numbers) for frame, numbers in self._of_frame.items()})
        self._frames = iter(range(len(targets)))
        self._complete: deque[int] = deque()

    def run(self, workers: int) -> None:
        for item in self._large:
            begin_large(item.file, item.root, self._prefix)
        run_jobs(self._work, self._take, self._finished, workers)

    def _take(self) -> Job | None:
        """A large file whose pieces are there; else the next frame."""
        if self._complete:
            return -1 - self._complete.popleft(), b""
        number = next(self._frames, None)
        if number is None:
            return None
        if self._source.is_file:
            return number, b""
        frame = self._targets[number].bill.frame
        return number, self._source.exactly(frame.offset, frame.length)

    def _work(self, number: int, data: bytes) -> None:
        """Do a job; in a worker."""
        if number < 0:
            item = self._large[-1 - number]
            end_large(item.file, item.root, self._prefix, item.mtime)
            return
        target = self._targets[number]
        [frame] = self._source.frames([target.bill])
        if data:
            frame = Frame(bill=frame.bill, format=frame.format, name=frame.name, read=lambda: data)
        write_frame(frame, target.root, self._prefix)

    def _finished(self, number: int, _result: None) -> None:
        if number < 0:
            for frame in self._large[-1 - number].frames:
                self._close(frame)
            return
        for large in self._of_frame.get(number, ()):
            self._waiting[large].discard(number)
            if not self._waiting[large]:
                self._complete.append(large)
        self._close(number)

    def _close(self, frame: int) -> None:
        """Count what is done of a frame; it is done with the large files that it has pieces of."""
        self._open[frame] -= 1
        if self._open[frame] <= 0:
            self._done(self._targets[frame].root)


def _large_files(targets: Sequence[Target]) -> Sequence[_LargeFile]:
    """Every member that lies in several of the frames, in order."""
    found: dict[tuple[Path, str], list[int]] = {}
    entries: dict[tuple[Path, str], tuple[ManifestFile, int]] = {}
    for number, target in enumerate(targets):
        for piece in target.bill.pieces:
            if not piece.is_whole:
                key = target.root, piece.file.path
                found.setdefault(key, []).append(number)
                entries[key] = piece.file, target.bill.mtime
    return tuple(
        _LargeFile(file=entries[key][0], mtime=entries[key][1], root=key[0], frames=tuple(numbers))
        for key, numbers in found.items()
    )
