"""How much is loaded before anything is done."""

import os
import subprocess
import sys

import pytest

SLOW = {
    "asyncio",
    "msgspec",
    "networkx",
    "rattler",
    "rich",
    "urllib3",
    "yaml",
    "conda_lock",
    "logging",
}
PROGRAM = """
import sys
from lading.cli.app import run
code = run([{option!r}])
print(sorted({slow!r} & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_little_is_loaded(option: str) -> None:
    """What takes long to load waits until it is needed: that is most of the time these take."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(option=option, slow=SLOW)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (0, "[]") == (done.returncode, done.stderr.strip())


def test_running_loads_no_build_side() -> None:
    """Each task of a node starts `lading run`: it loads nothing that reads locks or installs."""
    program = (
        "import sys, lading.cli.app, lading.cli.run\n"
        "slow = ('lading.lock', 'lading.install.plan', 'packaging', 'rich')\n"
        "print([name for name in sys.modules if name.startswith(slow)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "[]" == done.stdout.strip()
