"""The examples of the reference of the Python functions, run as they are printed."""

import json
import re
from pathlib import Path

import pytest

import lading
from simulators.channel import CANONICAL, PLACEHOLDER, ChannelSimulator, File, Package

PAGE = Path(__file__).parents[2] / "docs/reference/python.md"
PACKAGES = (
    Package(
        name="tool",
        version="1.2",
        depends=("library >=2",),
        files={"bin/tool": File(b"#!/bin/sh\necho " + PLACEHOLDER + b"\n", mode=0o755, text=True)},
    ),
    Package(name="library", version="2.0", files={"lib/library": b"library"}),
)


def test_every_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, as a reader would type them."""
    channel = ChannelSimulator(tmp_path / "channel")
    for package in PACKAGES:
        channel.add(package)
    channel.write_repodata()
    text = PAGE.read_text()
    [environment] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    [written] = re.findall(r"channels: \[(.*)\]", environment)
    (tmp_path / "environment.yml").write_text(environment.replace(written, CANONICAL))
    mirrors = (
        f"engine = 'embedded'\n[mirrors]\n{json.dumps(CANONICAL)} = [{json.dumps(channel.url)}]\n"
    )
    (tmp_path / "lading.toml").write_text(mirrors)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(example, names)  # noqa: S102  # that is what the page is for


def test_every_name_has_a_section() -> None:
    """The page knows each name that `import lading` has."""
    headings = set(re.findall(r"^## (\w+)$", PAGE.read_text(), re.MULTILINE))
    assert set(dir(lading)) == headings
