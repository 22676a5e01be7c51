"""What a check found, as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lading.errors import IntegrityError


class Severity(StrEnum):
    """Whether a finding makes the answer no."""

    ERROR = "error"
    NOTE = "note"


class Rule(StrEnum):
    """The kind of a difference."""

    MODIFIED = "modified"
    MISSING = "missing"
    FOREIGN = "foreign"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference from the bill.

    Attributes:
        path: Relative to the prefix or archive, POSIX.
        owner: Package that owns the path; empty for the environment's own and for foreign files.
        message: One line for a person, without full stop.
        expected: What the bill says, or empty.
        found: What is there, or empty.
        severity: Whether it makes the answer no.
    """

    rule: Rule
    path: str
    owner: str = ""
    message: str
    expected: str = ""
    found: str = ""
    severity: Severity = Severity.ERROR

    @classmethod
    def modified(cls, path: str, owner: str, message: str, expected: str, found: str) -> "Finding":
        """A path that is there, and not as the bill says."""
        return cls(
            rule=Rule.MODIFIED,
            path=path,
            owner=owner,
            message=message,
            expected=expected,
            found=found,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of comparing something with its bill.

    Attributes:
        subject: What was verified: a path.
        kind: `tarball`, `unpacked prefix` or `installed prefix`.
        checked: How many paths of the bill were looked at.
        findings: Sorted by path.
    """

    subject: str
    kind: str
    environment: str
    platform: str
    checked: int
    findings: Sequence[Finding]

    def require_clean(self, hint: str) -> None:
        """Refuse what differs from its bill.

        Raises:
            IntegrityError: It does.
        """
        if not self.is_clean:
            raise IntegrityError(
                f"{self.subject} differs from its bill",
                hint=hint,
                details=tuple(f"{item.path}: {item.message}" for item in self.findings[:20]),
            )

    @property
    def is_clean(self) -> bool:
        """Whether the answer is yes."""
        return all(item.severity is not Severity.ERROR for item in self.findings)
