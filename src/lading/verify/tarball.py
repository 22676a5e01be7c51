"""Compare a tarball with its bill."""

import hashlib
from collections.abc import Iterator

from lading.conda import Kind
from lading.errors import IntegrityError
from lading.format import FrameSlice, Member, TarballSource, read_members
from lading.system import Progress, no_progress, spread
from lading.verify.finding import Finding, Report, Rule


def verify_tarball(
    tarball: TarballSource, workers: int, progress: Progress = no_progress
) -> Report:
    """Compare an open tarball with its bill.

    Every frame's digest is compared, and every member's header, content and padding; `workers`
    frames at once, but for the frames of one large file, which are read one after the other.

    Raises:
        UsageError: It is a bill without its tarball.
        IntegrityError: A file list in it is not the one on the bill.
    """
    tarball.need_frames()
    contents = tarball.contents()
    findings: list[Finding] = []
    total = sum(len(frame.pieces) for frame in contents.slices)
    done = 0

    def compared(result: tuple[list[Finding], int]) -> None:
        nonlocal done
        findings.extend(result[0])
        done += result[1]
        progress("verify", done, total)

    progress("verify", 0, total)
    spread(
        lambda run: (_Run(tarball).findings(run), sum(len(frame.pieces) for frame in run)),
        list(_runs(contents.slices)),
        workers if tarball.is_file else 1,
        compared,
    )
    return Report(
        subject=tarball.name,
        kind="tarball",
        environment=contents.bill.manifest.environment,
        platform=contents.bill.manifest.platform,
        checked=contents.bill.manifest.files,
        findings=tuple(sorted(findings, key=lambda finding: finding.path)),
    )


def _runs(slices: tuple[FrameSlice, ...]) -> Iterator[list[FrameSlice]]:
    """The frames, those together that a large file goes through."""
    run: list[FrameSlice] = []
    for item in slices:
        run.append(item)
        last = item.pieces[-1]
        if last.stop >= last.header + last.file.size:
            yield run
            run = []


class _Run:
    """Reads frames one after the other, and hashes a file that goes through several."""

    def __init__(self, tarball: TarballSource) -> None:
        self._tarball = tarball
        self._hasher = hashlib.sha256()

    def findings(self, slices: list[FrameSlice]) -> list[Finding]:
        """What is wrong with the frames; after a damaged one the file in it cannot be judged."""
        found: list[Finding] = []
        for frame in self._tarball.frames(slices):
            try:
                for member in read_members(frame):
                    found += self._of_member(member, frame.bill.package.name)
            except IntegrityError as error:
                bill = frame.bill
                found.append(
                    Finding(
                        rule=Rule.DAMAGED,
                        path=f"frame at byte {bill.frame.offset} ({bill.package.title})",
                        owner=bill.package.name,
                        message=error.message,
                        expected=error.expected,
                        found=error.actual,
                    )
                )
                break
        return found

    def _of_member(self, member: Member, owner: str) -> Iterator[Finding]:
        if member.file.type is not Kind.FILE:
            return
        if member.start == 0:
            self._hasher = hashlib.sha256()
        self._hasher.update(member.content)
        if member.start + len(member.content) < member.file.size:
            return
        if self._hasher.hexdigest() != member.file.sha256:
            message, found = "its content does not match the bill", self._hasher.hexdigest()
            yield Finding.modified(member.file.path, owner, message, member.file.sha256, found)
