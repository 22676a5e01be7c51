"""The command line of the benchmarks: what is measured, and where it is written."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Never

from bench.chain import run_chain
from bench.chart import render_chart
from bench.environments import BenchEnvironments
from bench.growth import run_growth
from bench.install import run_install
from bench.large import run_large
from bench.lock import run_lock
from bench.machine import read_machine
from bench.markdown import render_markdown
from bench.measure import BenchError
from bench.node import run_node
from bench.pack import run_pack
from bench.report import Report, Section, render_json
from bench.update import run_update
from bench.workshop import ROOT, Workshop

__all__ = ["main"]

PAIRS = 5
NAME = "benchmarks"
LARGEST_BYTES = 25 << 30
"""What the largest environment and all that is made of it need at once."""

SECTIONS: dict[str, Callable[[Workshop], Section]] = {
    "pack": lambda workshop: run_pack(workshop, BenchEnvironments.of(workshop)),
    "update": lambda workshop: run_update(workshop, BenchEnvironments.of(workshop)),
    "node": lambda workshop: run_node(workshop, BenchEnvironments.of(workshop)),
    "chain": run_chain,
    "lock": run_lock,
    "install": run_install,
    "growth": run_growth,
    "large": run_large,
}


def main(arguments: list[str]) -> int:
    """Measure, write the page, and give the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    channel = (ROOT / ".cache/demo-channel/current").resolve()
    if not channel.is_dir():
        sys.stderr.write("error: there is no demo channel\nhint: run `make demo-channel`\n")
        return 2
    names = options.sections or list(SECTIONS)
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        sys.stderr.write(f"error: there is no section {unknown[0]}\n")
        return 2
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=options.work) as directory:
        workshop = Workshop(
            directory=Path(directory),
            demo_channel=channel,
            inherited=dict(os.environ),
            pairs=options.pairs,
            quick=options.quick or _is_short_of_space(Path(directory)),
        )
        sections: list[Section] = []
        for name in names:
            section = _run(workshop, name)
            if section is None:
                continue
            sections.append(section)
            report = Report(
                when=when,
                command=_shown(options, names),
                pairs=options.pairs,
                machine=read_machine(os.environ),
                sections=tuple(sections),
            )
            # After each section: what took half an hour to measure outlives an interrupt.
            write_report(report, Path(options.output))
    return 0 if len(sections) == len(names) else 1


def _shown(options: argparse.Namespace, names: list[str]) -> str:
    """The command, without the places that it reads and writes."""
    words = ["python scripts/bench", *(names if options.sections else ())]
    if options.pairs != PAIRS:
        words.append(f"--pairs {options.pairs}")
    return " ".join([*words, *(["--quick"] if options.quick else [])])


def write_report(report: Report, directory: Path) -> None:
    """Write the page, the raw runs and, where growth was measured, its picture."""
    directory.mkdir(parents=True, exist_ok=True)
    growths = [item for part in report.sections if part.name == "growth" for item in part.growths]
    picture = f"{NAME}.svg" if growths else ""
    if growths:
        (directory / picture).write_text(render_chart(growths), "utf-8")
    (directory / f"{NAME}.md").write_text(render_markdown(report, picture), "utf-8")
    (directory / f"{NAME}.json").write_bytes(render_json(report))


def _run(workshop: Workshop, name: str) -> Section | None:
    """A section, or None where it failed, which has been said: what others found is kept."""
    sys.stderr.write(f"{name}\n")
    try:
        return SECTIONS[name](workshop)
    except BenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return None


def _is_short_of_space(directory: Path) -> bool:
    short = shutil.disk_usage(directory).free < LARGEST_BYTES
    if short:
        sys.stderr.write("the disk has no room for the largest environments: they are left out\n")
    return short


def _terminate(_number: int, _frame: FrameType | None) -> Never:
    """End like an exception does, so that gigabytes are taken away."""
    raise SystemExit(128 + signal.SIGTERM)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python scripts/bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of each comparison (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="leave out the largest points")
    parser.add_argument("--output", default=str(ROOT / "docs"), help="directory of the page")
    parser.add_argument("--work", help="directory to measure in, instead of the temporary one")
    return parser
