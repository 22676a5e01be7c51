"""How many processors this process may use."""

import os
from pathlib import Path

import pytest

from lading.system.limits import processors

ALLOWED = len(os.sched_getaffinity(0))


def groups(root: Path, **quotas: str) -> tuple[Path, Path]:
    """A process in the control group `job/step`, and where the groups lie, with these quotas."""
    own, mounted = root / "cgroup", root / "groups"
    own.write_text("12:cpu:/legacy\n0::/job/step\n")
    (mounted / "job/step").mkdir(parents=True)
    places = {"top": mounted, "job": mounted / "job", "step": mounted / "job/step"}
    for name, text in quotas.items():
        (places[name] / "cpu.max").write_text(text)
    return own, mounted


def test_without_a_quota_the_processors_are_those_it_may_run_on(tmp_path: Path) -> None:
    """Which a batch system may have bound it to."""
    assert ALLOWED == processors(*groups(tmp_path, job="max 100000\n"))


@pytest.mark.parametrize("group", ["top", "job", "step"])
def test_a_quota_counts_wherever_it_is(tmp_path: Path, group: str) -> None:
    """In its own group or in one above."""
    assert 1 == processors(*groups(tmp_path, **{group: "100000 100000\n"}))


def test_a_part_of_a_processor_is_one(tmp_path: Path) -> None:
    """Somebody must work."""
    assert 1 == processors(*groups(tmp_path, job="5000 100000\n"))


@pytest.mark.parametrize("text", ["", "max", "x y", "1 0", "-5 100"])
def test_what_cannot_be_read_limits_nothing(tmp_path: Path, text: str) -> None:
    """Nor does a machine without control groups of version 2."""
    expected = 1 if text == "-5 100" else ALLOWED
    assert expected == processors(*groups(tmp_path, job=text))
    assert ALLOWED == processors(tmp_path / "none", tmp_path)
