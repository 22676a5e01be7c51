"""How far a child process has come."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from lading.engine.progress import watched
from simulators.channel import ChannelSimulator, Package
from simulators.engines import install_request


def test_each_package_is_told(tmp_path: Path) -> None:
    """Each prefix record counts, and the end is told at the end."""
    told: list[tuple[str, int, int]] = []
    request = _request(tmp_path, told)
    with watched(request):
        for number, name in enumerate(("a", "b"), start=1):
            (request.prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
            (request.prefix / f"conda-meta/{name}.json").write_text("{}")
            deadline = time.monotonic() + 5
            while told[-1][1] < number and time.monotonic() < deadline:
                time.sleep(0.01)
    assert [("link", 0, 3), ("link", 1, 3), ("link", 2, 3), ("link", 3, 3)] == told


def test_a_failure_is_no_end(tmp_path: Path) -> None:
    """What fails is not told as done."""
    told: list[tuple[str, int, int]] = []
    request = _request(tmp_path, told)
    with pytest.raises(RuntimeError), watched(request):
        raise RuntimeError
    assert [("link", 0, 3)] == told


def _request(root: Path, told: list[tuple[str, int, int]]) -> object:
    channel = ChannelSimulator(root / "channel")
    for name in ("a", "b", "c"):
        channel.add(Package(name=name))
    request = install_request(root, channel.records(), channel.archives())
    return replace(request, progress=lambda *step: told.append(step))
