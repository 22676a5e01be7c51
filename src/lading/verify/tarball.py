"""Compare a tarball with its bill."""

import hashlib

from lading.conda import Kind
from lading.errors import IntegrityError
from lading.format import Frame, FrameSlice, TarballSource, read_members
from lading.system import in_order
from lading.verify.finding import Finding, Report, Rule


def verify_tarball(tarball: TarballSource, workers: int) -> Report:
    """Compare an open tarball with its bill.

    Every frame's digest is compared, and every member's header, content and padding; `workers`
    frames at once.

    Raises:
        UsageError: It is a bill without its tarball.
    """
    tarball.need_frames()
    findings: list[Finding] = []
    for found in in_order(_frame_findings, tarball.frames(), workers):
        findings += found
    return Report(
        subject=tarball.name,
        kind="tarball",
        environment=tarball.bill.manifest.environment,
        platform=tarball.bill.manifest.platform,
        checked=len(tarball.bill.manifest.files),
        findings=tuple(sorted(findings, key=lambda finding: finding.path)),
    )


def _frame_findings(frame: Frame) -> list[Finding]:
    owner = frame.bill.package.name
    findings = []
    try:
        for member in read_members(frame):
            hasher = hashlib.sha256()
            for chunk in member.content:
                hasher.update(chunk)
            if member.file.type is Kind.FILE and hasher.hexdigest() != member.file.sha256:
                findings.append(
                    Finding(
                        rule=Rule.MODIFIED,
                        path=member.file.path,
                        owner=owner,
                        message="its content does not match the bill",
                        expected=member.file.sha256,
                        found=hasher.hexdigest(),
                    )
                )
    except IntegrityError as error:
        findings.append(
            Finding(
                rule=Rule.DAMAGED,
                path=_frame_name(frame.bill),
                owner=owner,
                message=error.message,
                expected=error.expected,
                found=error.actual,
            )
        )
    return findings


def _frame_name(item: FrameSlice) -> str:
    name = item.package.name or "the environment's own files"
    return f"frame at byte {item.frame.offset} ({name})"
