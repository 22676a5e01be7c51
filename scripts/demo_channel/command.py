"""The command line: `python scripts/demo_channel`.

Data on stdout (the absolute directory of the channel), everything else on stderr. Exit code 0: the
channel is there; 1: `--print-path` did not find it; 2: it cannot be built; 130: interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from demo_channel.channel import ensure_channel, read_inputs
from demo_channel.download import fetch_wheels, read_wheel_list
from demo_channel.failure import DemoChannelError
from demo_channel.interpreter import read_interpreter

_LOG = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: Without the program's name; None for those of the process.
    """
    options = _make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="demo channel: %(message)s")
    cache = Path(options.cache).resolve()
    if options.print_path:
        channel = cache / "demo-channel" / "current"
        if not channel.is_dir():
            _LOG.error("no channel in %s\nhint: run without --print-path", cache)
            return 1
        sys.stdout.write(f"{channel.resolve()}\n")
        return 0
    try:
        channel = _build(cache, max(1, options.jobs))
    except DemoChannelError as error:
        _LOG.error("error: %s\nhint: %s", error, error.hint)  # expected: one line
        return 2
    except KeyboardInterrupt:
        _LOG.info("interrupted, nothing half-built is left")
        return 130
    sys.stdout.write(f"{channel}\n")
    return 0


def _build(cache: Path, jobs: int) -> Path:
    """The channel of the running interpreter, below one cache directory."""
    interpreter = read_interpreter()
    wheel_list = read_wheel_list(Path(__file__).with_name("wheels.toml"))
    wheels = fetch_wheels(wheel_list, interpreter.target, cache / "wheels")
    return ensure_channel(
        read_inputs(interpreter, wheel_list, wheels), cache / "demo-channel", jobs
    )


def _make_parser() -> argparse.ArgumentParser:
    """The options; each has a default."""
    parser = argparse.ArgumentParser(
        prog="python scripts/demo_channel",
        description="Build a conda channel from the running Python and wheels from PyPI.",
    )
    parser.add_argument("--cache", default=".cache", help="cache directory (%(default)s)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)"
    )
    parser.add_argument(
        "--print-path", action="store_true", help="print the last channel's path, build nothing"
    )
    return parser
