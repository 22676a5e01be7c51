"""Threads that are the first to decode a type, all at once."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import importlib, sys, threading
from pathlib import Path

module = importlib.import_module(sys.argv[1])
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(8)

def decode():
    barrier.wait()
    {action}

for _ in range(100):
    module = importlib.reload(module)
    threads = [threading.Thread(target=decode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""

INFO = """module.parse_package_info("a", {
        "index.json": b'{"name": "a", "version": "1", "build": "0"}',
        "link.json": b'{"noarch": {"type": "python", "entry_points": ["a = b:c"]}}',
        "paths.json": b'{"paths": [{"_path": "x", "file_mode": "text"}]}',
    })"""


ANSWER = """from lading.lock.isolation import _decoded
    from lading.system import Completed
    answer = Completed(argv=(), returncode=0, stdout="{}", stderr="")
    try:
        _decoded(answer, module.SourceAnswer)
    except ValueError:
        pass"""


@pytest.mark.parametrize(
    ("module", "action"),
    [
        ("lading.package.info", INFO),
        ("lading.install.bytecode", "module._read_entries(Path(sys.argv[2]))"),
        ("lading.lock.exchange", ANSWER),
    ],
)
def test_nothing_crashes(tmp_path: Path, module: str, action: str) -> None:
    """Msgspec's own reading of a type is not safe there, so types are read when modules are."""
    (tmp_path / "index.json").write_text('[["x", 1, ""]]')
    program = PROGRAM.replace("{action}", action)
    done = subprocess.run(
        [sys.executable, "-c", program, module, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
