"""What reaches the terminal of log lines."""

import subprocess
import sys

import pytest

from simulators.command import child_environment

PROGRAM = """
import logging, sys, threading, warnings
from lading.cli.logs import configure_logging
configure_logging(sys.stderr, verbose={verbose})
url = "https://user:s3cr3t@host.example/t/s3cr3t/chan?sig=s3cr3t"
logging.getLogger("urllib3.connectionpool").warning("Retrying: /t/s3cr3t/chan")
logging.getLogger("urllib3.connectionpool").debug('"GET /t/s3cr3t/chan HTTP/1.1" 200')
logging.warning("root %s", url)
logging.basicConfig(level=logging.DEBUG)
logging.getLogger("conda_lock").error("conda-lock %s", url)
warnings.warn("warned of " + url)
logging.getLogger("lading.x").warning("ours %s \\x1b[2J", url)
logging.getLogger("lading.x").debug("details %s", url)
try:
    raise ValueError(url)
except ValueError:
    logging.getLogger("lading.x").exception("caught")
thread = threading.Thread(target=int, args=(url,))
thread.start()
thread.join()
"""


@pytest.mark.parametrize("verbose", [False, True])
def test_only_our_own_lines_without_secrets(tmp_path: object, *, verbose: bool) -> None:
    """Other libraries print nothing; ours are redacted, tracebacks and threads included."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(verbose=verbose)],
        env=child_environment(tmp_path),  # type: ignore[arg-type]
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith(("WARNING", "DEBUG"))]
    expected = ["WARNING lading.x: ours https://host.example/chan \\u001b[2J"]
    expected += ["DEBUG lading.x: details https://host.example/chan"] if verbose else []
    assert expected == lines
    assert "s3cr3t" not in done.stdout + done.stderr
    assert {"Retrying", "GET", "root", "conda-lock", "warned"}.isdisjoint(done.stderr.split())
