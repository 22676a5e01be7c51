"""Reports of verifications, rendered."""

import json

from lading.report.summary import megabytes
from lading.report.verified import render_report
from lading.verify.finding import Finding, Report, Rule, Severity

CHANGED = Finding(
    rule=Rule.MODIFIED, path="a", owner="tool", message="it changed", expected="e", found="f"
)
FOREIGN = Finding(rule=Rule.FOREIGN, path="b", message="nothing on the bill")
NOTE = Finding(rule=Rule.FOREIGN, path="c.pyc", message="python", severity=Severity.NOTE)


def report(*findings: Finding) -> Report:
    """A report with `findings`."""
    return Report(
        subject="/env",
        kind="unpacked prefix",
        environment="sample",
        platform="linux-64",
        checked=7,
        findings=findings,
    )


def test_yes() -> None:
    """A clean report is one line."""
    assert (
        "yes: /env is exactly what its bill says (unpacked prefix, sample for linux-64, 7 paths)\n"
        == render_report(report()).text
    )


def test_notes_do_not_change_the_answer() -> None:
    """What is only noted is counted."""
    assert ", 7 paths, 1 noted)\n" in render_report(report(NOTE)).text


def test_a_name_with_a_line_break_stays_on_its_line() -> None:
    """It cannot pretend to be another finding, or an answer."""
    forged = Finding(rule=Rule.FOREIGN, path="a\nyes: /env", message="nothing on the bill")
    text = render_report(report(forged)).text
    assert "  foreign   a\\u000ayes: /env: nothing on the bill\n" in text


def test_no() -> None:
    """Each finding has a line, and what was expected and found another."""
    assert (
        "no: /env differs from its bill in 2 of 7 paths\n"
        "  modified  a (tool): it changed\n"
        "            expected e, found f\n"
        "  foreign   b: nothing on the bill\n"
    ) == render_report(report(CHANGED, FOREIGN, NOTE)).text


def test_many_findings_are_cut() -> None:
    """A person is shown fifty, and told how to see the rest."""
    lines = render_report(report(*[FOREIGN] * 53)).text.splitlines()
    assert (52, "  and 3 more; --json lists all") == (len(lines), lines[-1])


def test_for_a_program() -> None:
    """The document has all findings."""
    document = json.loads(render_report(report(CHANGED, NOTE)).json)
    assert ("lading.verify/1", False, 7, ["modified", "foreign"], ["error", "note"]) == (
        document["schema"],
        document["clean"],
        document["checked"],
        [item["rule"] for item in document["findings"]],
        [item["severity"] for item in document["findings"]],
    )


def test_megabytes() -> None:
    """Sizes are told in units of a million bytes."""
    assert "1.5 MB" == megabytes(1_500_000)
