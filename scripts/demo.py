"""The whole way on real packages: channel, lock, install, pack, verify, unpack elsewhere, run.

Usage: python scripts/demo.py [EXAMPLE ...], by default `data-service`. Run by `make demo`.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lading.conda import native_platform

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LADING = BIN / "lading"


def main(examples: list[str]) -> int:
    """The exit code of the demo of `examples`."""
    started = time.monotonic()
    try:
        show("python", "scripts/demo_channel")
        for example in examples:
            demonstrate(example)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"error: the last command ended with exit code {error.returncode}\n")
        return 1
    say(f"\nall of it took {time.monotonic() - started:.0f} s")
    return 0


def demonstrate(name: str) -> None:
    """Take one example from its environment.yml to another place, and run it there."""
    show("lading", "lock", f"examples/{name}/environment.yml")
    show("lading", "install", name)
    show("lading", "pack", name)
    relative = f"dist/{name}-{native_platform()}.tar.zst"
    show("lading", "verify", relative)
    with tempfile.TemporaryDirectory(prefix="lading-demo-") as directory:
        prefix = f"{directory}/another place/{name}"
        show("lading", "unpack", relative, prefix)
        check = next((ROOT / "examples" / name).glob("check.*"))
        program = ["sh"] if check.suffix == ".sh" else [f"{prefix}/bin/python"]
        # Nothing of this machine's environment reaches the program.
        show("env", "-i", "PATH=/usr/bin:/bin", *program, str(check.relative_to(ROOT)), prefix)
        show("lading", "verify", prefix)


def show(program: str, *arguments: str) -> None:
    """Say a command, run it, and say how long it took."""
    words = [program, *(f'"{item}"' if " " in item else item for item in arguments)]
    say(f"\n$ {' '.join(words)}")
    executable = {"lading": str(LADING), "python": sys.executable}.get(program, program)
    started = time.monotonic()
    subprocess.run([shutil.which(executable) or executable, *arguments], cwd=ROOT, check=True)
    say(f"({time.monotonic() - started:.1f} s)")


def say(line: str) -> None:
    """Write a line at once, so that it stands before what programs write."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["data-service"]))
