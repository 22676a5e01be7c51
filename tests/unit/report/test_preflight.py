"""Whether an environment will run on a machine, or on many."""

import json

import pytest

from lading.errors import InputError
from lading.node.preflight import Item, Preflight, Verdict, Way
from lading.report.preflight import (
    merge_preflights,
    render_preflight,
    render_preflights,
)


def report(host: str = "node1", verdict: Verdict = Verdict.YES) -> Preflight:
    """What a machine said."""
    remedy = "free space" if verdict is Verdict.NO else ""
    return Preflight(
        host=host,
        subject="env.sqsh",
        delivery="fuse",
        ways=(Way(name="kernel", reason="only root"), Way(name="fuse", reason="")),
        items=(Item(name="space", verdict=verdict, found="1 MB", needed="2 MB", remedy=remedy),),
    )


def test_yes() -> None:
    """The way, why not a faster one, and all that was looked at."""
    assert (
        "yes: env.sqsh will run on node1, by fuse\n"
        "  not by kernel: only root\n"
        "  yes  space  1 MB, needed 2 MB\n"
    ) == render_preflight(report()).text


def test_no() -> None:
    """What to do stands below."""
    lines = render_preflight(report(verdict=Verdict.NO)).text.splitlines()
    assert ("no: env.sqsh will not run on node1", "free space") == (lines[0], lines[-1].strip())


def test_json() -> None:
    """One line, that names its schema and answers yes or no."""
    text = render_preflight(report()).json
    document = json.loads(text)
    assert ("lading.preflight/1", True, 1) == (
        document["schema"],
        document["ready"],
        text.count("\n"),
    )


def test_many_machines() -> None:
    """Lines in any order become a table."""
    lines = "\n".join(
        render_preflight(item).json for item in (report("node2", Verdict.NO), report("node1"))
    )
    assert (
        "machine  ready  by    in the way\n"
        "node1    yes    fuse\n"
        "node2    no     fuse  space 1 MB, needed 2 MB\n"
    ) == render_preflights(merge_preflights(lines.encode(), "lines"))


@pytest.mark.parametrize("text", ["", "\n", "{}", "srun: error\n", "[" * 10_000])
def test_other_lines(text: str) -> None:
    """What is no such line is refused by its number; so is nothing."""
    with pytest.raises(InputError, match="lines"):
        merge_preflights(text.encode(), "lines")
