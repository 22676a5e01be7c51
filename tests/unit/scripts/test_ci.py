"""What CI says at its end."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOTHING = "skipped, and why:\n  nothing\n"
PASSED = "==== 7 passed in 1.00s ====\n"
OTHER = "SKIPPED [2] tests/a.py:1: there is no bsdtar on this machine\n"
ABSENT = (
    "SKIPPED [12] simulators/b.py:9: there is no micromamba on this machine\n"
    "SKIPPED [1] tests/c.py:7: no LADING_MICROMAMBA\n"
)
FOUND = "micromamba was found: its tests ran\n"
MISSED = (
    "micromamba was not found: 13 tests skipped;"
    " set LADING_MICROMAMBA to an executable, or put one on PATH, to run them\n"
)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (PASSED, NOTHING + PASSED + FOUND),
        (OTHER + PASSED, f"skipped, and why:\n{OTHER}{PASSED}{FOUND}"),
        (ABSENT + OTHER + PASSED, f"skipped, and why:\n{ABSENT}{OTHER}{PASSED}{MISSED}"),
        ("", f"{NOTHING}the tests did not come to their end\n"),
    ],
    ids=["nothing", "something else", "micromamba", "no end"],
)
def test_what_was_skipped_is_said_last(tmp_path: Path, report: str, expected: str) -> None:
    """Every skipped test is named with its reason, and the absence of micromamba in the end."""
    path = tmp_path / "report"
    path.write_text(report)
    done = subprocess.run([ROOT / ".ci/skipped", path], check=True, capture_output=True, text=True)
    assert expected == done.stdout


def test_micromamba_tests_give_it_as_their_reason() -> None:
    """A test that needs micromamba names it where it is skipped, so that it is counted."""
    marked = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if "mark.micromamba" in path.read_text("utf-8") and path.name != Path(__file__).name
    ]
    reasons = [
        line
        for path in marked
        for line in path.read_text("utf-8").splitlines()
        if "reason=" in line and "micromamba" in line.lower()
    ]
    assert len(marked) <= len(reasons)
