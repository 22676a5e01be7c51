"""Run the fuzzing tests again and again, each time with another seed, for some minutes.

    LADING_FUZZ_MINUTES=60 make fuzz

A failure is told with the command that repeats it, and does not end the loop. Each file runs in a
process of its own, so that neither a crash nor a hang ends it either.
"""

import itertools
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PATTERN = "tests/property/test_fuzz_*.py"
DEFAULT_MINUTES = "10"
MOST_SECONDS = 1800
_EXAMPLES = re.compile(r"(\d+) passing, \d+ failing")


def main() -> int:
    """Run until the time is over; return 1 if a test failed."""
    minutes = float(os.environ.get("LADING_FUZZ_MINUTES", DEFAULT_MINUTES))
    end = time.monotonic() + 60 * minutes
    counts: Counter[str] = Counter()
    failures = 0
    for path in itertools.cycle(sorted(ROOT.glob(PATTERN))):
        if time.monotonic() > end:
            break
        failure, output, examples = run(path, random.SystemRandom().randrange(1 << 32))
        counts[path.stem] += examples
        if failure:
            failures += 1
            say(f"{output}\nfailed: {failure}")
        say(f"{path.stem}: {counts[path.stem]} examples, all: {counts.total()}")
    say(f"{counts.total()} examples, {failures} failures")
    return min(failures, 1)


def say(line: str) -> None:
    """Write a line at once, also into a file."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(path: Path, seed: int) -> tuple[str, str, int]:
    """Run a file of tests: its command if a test failed, its output, how many examples passed."""
    argv = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"),
        *("--hypothesis-profile=fuzz", "--hypothesis-show-statistics"),
        *(f"--hypothesis-seed={seed}", str(path.relative_to(ROOT))),
    ]
    try:
        done = subprocess.run(
            argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=MOST_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        return " ".join(argv), os.fsdecode(error.stdout or b"") + "it hangs", 0
    examples = sum(map(int, _EXAMPLES.findall(done.stdout)))
    report, _, _ = done.stdout.partition("= Hypothesis Statistics")
    return " ".join(argv) if done.returncode else "", report + done.stderr, examples


if __name__ == "__main__":
    sys.exit(main())
