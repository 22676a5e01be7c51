"""`examples/service`: a project's own package, a model, a private index and a category, packed."""

import functools
import json
import shutil
import subprocess
from pathlib import Path

from simulators.channel import CANONICAL, ChannelSimulator, Package
from simulators.command import Outcome, lading
from simulators.guarded import PASSWORD, USER, Guarded
from simulators.interpreter import python_package
from simulators.webserver import running
from simulators.wheel_index import WheelIndex

EXAMPLE = Path(__file__).parents[2] / "examples/service"
VARIABLES = {"LADING_ENGINE": "embedded", "INDEX_USER": USER, "INDEX_PASSWORD": PASSWORD}


def _run(project: Path, *words: object) -> Outcome:
    outcome = lading([str(word) for word in words], project, VARIABLES)
    assert outcome.code == 0, outcome.stderr
    assert PASSWORD not in outcome.stdout + outcome.stderr
    return outcome


def test_service(tmp_path: Path) -> None:
    """It is locked, packed, unpacked elsewhere, and its script runs; dev stays at home."""
    channel = ChannelSimulator(tmp_path / "channel")
    channel.add(python_package())
    for name in ("pip", "pytest"):
        channel.add(Package(name=name, noarch="python", depends=("python",)))
    channel.write_repodata()
    index = WheelIndex(tmp_path / "index")
    index.add_wheel("greeting", "1.0", files={"greeting.py": b"word = 'hello'\n"})
    project = shutil.copytree(EXAMPLE, tmp_path / "project")
    with running(functools.partial(Guarded, directory=str(index.root))) as url:
        inside = url.replace("://", f"://{USER}:{PASSWORD}@")
        mirrors = {CANONICAL: [channel.url], "https://packages.invalid": [inside]}
        lines = [f"{json.dumps(base)} = {json.dumps(to)}" for base, to in mirrors.items()]
        with (project / "lading.toml").open("a") as stream:
            stream.write("\n".join(["[mirrors]", *lines]) + "\n")
        _run(project, "lock", "service")
        _run(project, "lock", "--check")
        packed = _run(project, "pack", "service", "--level", "fast", "--strict")
    assert "1 package of dev is left out" in packed.stderr
    [lock] = (project / "locks/service").iterdir()
    assert "https://packages.invalid/files/greeting-1.0-py3-none-any.whl" in lock.read_text()
    assert PASSWORD not in lock.read_text()
    [tarball] = (project / "dist").glob("*.tar.zst")
    _run(tmp_path, "unpack", tarball, "elsewhere")
    shutil.rmtree(project)
    script = tmp_path / "elsewhere/bin/service"
    done = subprocess.run([script], capture_output=True, text=True, check=True)
    assert done.stdout == "hello, world\n"
