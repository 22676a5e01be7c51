"""The machine and the tools that are measured."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import isal
from backports import zstd

from bench.report import Machine

__all__ = ["find_conda_lock_micromamba", "find_micromamba", "read_machine"]

PACKAGES = ("lading", "py-rattler", "conda-pack", "conda-lock", "uv")
PROGRAMS = {"tar": "--version", "zstd": "--version", "curl": "--version"}


def read_machine(environment: Mapping[str, str]) -> Machine:
    """This machine."""
    tools = {name: version(name) for name in PACKAGES}
    tools |= {"zstd library": zstd.zstd_version, "isal": isal.__version__}
    for name, option in PROGRAMS.items():
        path = shutil.which(name)
        if path is not None:
            tools[f"{name} (program)"] = parse_version(_first_line(path, option))
    for label, found in (
        ("micromamba", find_micromamba(environment)),
        ("micromamba of conda-lock", find_conda_lock_micromamba(environment)),
    ):
        if found is not None:
            tools[label] = _first_line(found, "--version")
    return Machine(
        cpu=_cpu_model(Path("/proc/cpuinfo").read_text("utf-8")),
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        tools=tools,
    )


def find_micromamba(environment: Mapping[str, str]) -> str | None:
    """The micromamba that installs, or None."""
    return environment.get("LADING_MICROMAMBA") or shutil.which("micromamba")


def find_conda_lock_micromamba(environment: Mapping[str, str]) -> str | None:
    """A micromamba that conda-lock can drive, or None: what it reads changed with 2.6."""
    candidates = (
        environment.get("LADING_MICROMAMBA_FOR_CONDA_LOCK"),
        find_micromamba(environment),
    )
    for path in candidates:
        if path and is_before_2_6(_first_line(path, "--version")):
            return path
    return None


def parse_version(text: str) -> str:
    """The first thing in `text` that looks like a version, or all of it."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return found[0] if found else text


def is_before_2_6(text: str) -> bool:
    """Whether a version is less than 2.6."""
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    return numbers < (2, 6)


def _cpu_model(cpuinfo: str) -> str:
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _first_line(path: str, option: str) -> str:
    done = subprocess.run([path, option], capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).splitlines()[0].strip()
