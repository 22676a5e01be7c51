"""The benchmarks' own arithmetic and rendering; nothing is measured here."""

import json
import random
from xml.etree import ElementTree as ET

import msgspec
import pytest

from bench.chart import render_chart, ticks
from bench.corpus import renamed
from bench.figures import Ratio, pairwise, render_bytes, render_ratio, render_seconds
from bench.machine import is_before_2_6
from bench.markdown import render_markdown
from bench.measure import Measurement
from bench.report import (
    Comparison,
    Growth,
    Machine,
    Point,
    Report,
    Section,
    Side,
    render_json,
)
from bench.server import parse_range
from bench.synthetic import contents, file_sizes
from bench.update import changed_bytes


def test_ratios_are_taken_pair_by_pair() -> None:
    """The median of the ratios of pairs is not the ratio of medians."""
    assert pairwise([2, 9, 8], [1, 3, 8]) == Ratio(2.0, 1.0, 3.0)


@pytest.mark.parametrize(("above", "below"), [([], [1.0]), ([1.0], []), ([1.0], [0.0])])
def test_without_a_pair_there_is_no_ratio(above: list[float], below: list[float]) -> None:
    """What was left out, or has no size, has no ratio."""
    assert pairwise(above, below) is None


def test_ratios_are_written_with_their_spread() -> None:
    """A ratio of several pairs says how far they differ, one of a single pair does not."""
    assert render_ratio(Ratio(2.314, 2.2, 12.34)) == "2.31 (2.20\N{EN DASH}12.3)"
    assert render_ratio(Ratio(2.314, 2.2, 12.34), spread=False) == "2.31"
    assert render_ratio(None) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.1234, "0.123 s"), (1.234, "1.23 s"), (123.456, "123.5 s")]
)
def test_seconds(seconds: float, expected: str) -> None:
    """Times have three digits or more."""
    assert render_seconds(seconds) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [(999, "999 B"), (1000, "1.00 kB"), (12_345_678, "12.3 MB"), (5_000_000_000, "5.00 GB")],
)
def test_bytes(size: int, expected: str) -> None:
    """Sizes are in decimal units."""
    assert render_bytes(size) == expected


def test_the_page_says_how_and_on_what_it_was_made() -> None:
    """Command, date, machine and versions stand at the top."""
    page = render_markdown(report(), "")
    assert "Made on 2026-01-02 03:04 UTC by `python scripts/bench --pairs 2`" in page
    assert "| CPU | Some CPU, 2 cores |" in page
    assert "| conda-pack | 0.9.2 |" in page


def test_a_row_holds_both_tools() -> None:
    """Medians, the ratio pair by pair, CPU, the largest peak, sizes and their ratio."""
    expected = (
        "| pack | 1.50 s | 4.50 s | conda-pack | 3.00 (3.00\N{EN DASH}3.00) | 3.00 s / 9.00 s"
        " | 2 MiB / 6 MiB | 150 B / 450 B | 0.333 |"
    )
    assert expected in render_markdown(report(), "").splitlines()


def test_a_tool_that_is_not_there_is_left_out() -> None:
    """Then there is neither its time nor a ratio."""
    alone = Comparison(work="lock", ours=side("lading", 1))
    dash = "\N{EN DASH}"
    expected = f"| lock | 1.50 s | {dash} | left out | {dash} | 3.00 s | 2 MiB | 150 B | {dash} |"
    assert expected in render_markdown(report(alone), "").splitlines()


def test_the_page_names_each_command_once() -> None:
    """A contestant of several rows is one line among the commands."""
    comparison = report().sections[0].comparisons[0]
    page = render_markdown(report(comparison, comparison), "")
    assert page.splitlines().count("conda-pack --fast") == 1


def test_the_picture_is_named_where_growth_is() -> None:
    """The page shows the picture, beside it."""
    section = Section(name="growth", title="Growth", notes=(), seconds=1, growths=(growth(),))
    page = render_markdown(msgspec.structs.replace(report(), sections=(section,)), "growth.svg")
    assert "(growth.svg)" in page
    assert "| pack | 1 000 files | 1.00 s | 2.00 s | 1 MiB |" in page.splitlines()


def test_the_raw_runs_are_json() -> None:
    """Every run stands in the JSON document."""
    document = json.loads(render_json(report()))
    assert document["schema"] == "lading.bench/1"
    [comparison] = document["sections"][0]["comparisons"]
    assert [run["wall"] for run in comparison["theirs"]["runs"]] == [3.0, 6.0]


def test_the_picture_is_well_formed_and_fits_both_schemes() -> None:
    """It is XML, has a line for each growth in both panels, and knows dark screens."""
    picture = render_chart([growth()])
    root = ET.fromstring(picture)  # noqa: S314  # our own
    assert len(root.findall(".//{http://www.w3.org/2000/svg}polyline")) == 2
    assert "prefers-color-scheme: dark" in picture


def test_ticks_enclose_the_values() -> None:
    """They are powers of ten, at least two."""
    assert ticks(0.5, 30) == (0.1, 1.0, 10.0, 100.0)
    assert ticks(1, 1) == (1.0, 10.0)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-500", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=-", None),
        ("bytes=100-", None),
        ("", None),
    ],
)
def test_ranges(header: str, expected: tuple[int, int] | None) -> None:
    """A range that cannot be served is none."""
    assert parse_range(header, 100) == expected


def test_copies_of_records_are_a_world_of_their_own() -> None:
    """Names and dependencies change alike; virtual packages stay."""
    record = {"name": "a", "depends": ["b >=1", "__glibc"], "version": "1"}
    name, content = renamed("a-1-0.conda", record, 3)
    assert name == "a.copy3-1-0.conda"
    expected = {"name": "a.copy3", "depends": ["b.copy3 >=1", "__glibc"], "version": "1"}
    assert json.loads(content) == expected
    assert renamed("a-1-0.conda", record, 0)[0] == "a-1-0.conda"


def test_synthetic_files_are_the_same_each_time() -> None:
    """Sizes are as asked for, contents as long as they should be, all of it reproducible."""
    made = []
    for _ in range(2):
        numbers = random.Random("seed")
        sizes = file_sizes(30, 300_000, numbers)
        data = list(contents(sizes, numbers))
        assert [len(item) for item in data] == sizes
        assert sum(sizes) == pytest.approx(300_000, rel=0.1)
        made.append(data)
    assert made[0] == made[1]


def test_changed_frames_are_those_with_another_digest() -> None:
    """What a node has already is not counted."""

    def bill(**digests: str) -> bytes:
        packages = [
            {"name": name, "frames": [{"length": 7, "sha256": digest}]}
            for name, digest in digests.items()
        ]
        return json.dumps({"packages": packages}).encode()

    assert changed_bytes(bill(a="1", b="2"), bill(a="1", b="3", c="4")) == {"b": 7, "c": 7}


def test_conda_lock_needs_an_old_micromamba() -> None:
    """It reads what micromamba printed before 2.6."""
    assert [is_before_2_6(text) for text in ("2.5.0", "2.6.0", "3.0")] == [True, False, False]


def side(tool: str, factor: int) -> Side:
    """Two runs, the second twice as long as the first."""
    runs = tuple(
        Measurement(
            wall=1.0 * factor * number,
            cpu=2.0 * factor * number,
            peak=factor * number << 20,
            size=100 * factor * number,
        )
        for number in (1, 2)
    )
    return Side(tool=tool, command=f"{tool} --fast", runs=runs)


def growth() -> Growth:
    """Three points."""
    points = tuple(
        Point(amount=10**power, runs=(Measurement(wall=power - 2, cpu=2, peak=1 << 20),))
        for power in (3, 4, 5)
    )
    return Growth(work="pack", unit="files", command="lading pack", points=points)


def report(*comparisons: Comparison) -> Report:
    """One section; by default with one comparison."""
    default = Comparison(work="pack", ours=side("lading", 1), theirs=side("conda-pack", 3))
    section = Section(
        name="pack",
        title="Pack",
        notes=("A note.",),
        seconds=60,
        sized="tarball",
        comparisons=comparisons or (default,),
    )
    return Report(
        when="2026-01-02 03:04 UTC",
        command="python scripts/bench --pairs 2",
        pairs=2,
        machine=Machine(
            cpu="Some CPU",
            cores=2,
            memory=8_000_000_000,
            kernel="Linux 6",
            python="CPython 3.11",
            tools={"conda-pack": "0.9.2"},
        ),
        sections=(section,),
    )
