"""Activation of an environment without a shell function: what it sets, and what it has to source.

What comes from outside and would shine through goes: another environment's `CONDA_*`, `PYTHONPATH`,
`PYTHONHOME`, the user's own site directory.

Source: conda's `activate.py` (`etc/conda/env_vars.d`, `conda-meta/state`, `etc/conda/activate.d`).
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from lading.errors import NotAPrefixError

__all__ = ["Activation", "Shell", "activated", "read_activation", "render_hook", "wrapped"]

LEAKING = ("PYTHONHOME", "PYTHONPATH")
FOREIGN_PREFIXES = ("CONDA_", "_CE_", "_CONDA_")
UNSET = "***unset***"
"""The value with which conda remembers a variable that activation is to take away."""


class Shell(StrEnum):
    """Whose words a hook is written in."""

    POSIX = "posix"
    FISH = "fish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """What it takes to activate an environment.

    Attributes:
        prefix: Absolute.
        variables: Name → value, or None where it goes; without PATH.
        scripts: To be sourced by a POSIX shell, in order, absolute.
    """

    prefix: Path
    variables: Mapping[str, str | None]
    scripts: tuple[Path, ...]

    @property
    def programs(self) -> Path:
        """What comes first on PATH."""
        return self.prefix / "bin"


class _State(msgspec.Struct, frozen=True):
    env_vars: dict[str, str] = {}


def read_activation(prefix: Path, name: str = "") -> Activation:
    """How the environment at `prefix` is activated.

    Args:
        prefix: Absolute.
        name: What a prompt calls it; empty for its directory.

    Raises:
        NotAPrefixError: There is none, or what it says of its variables cannot be read.
    """
    if not (prefix / "conda-meta").is_dir():
        raise NotAPrefixError(
            f"{prefix} is no environment", hint="name the directory that holds conda-meta"
        )
    shown = name or prefix.name
    variables: dict[str, str | None] = {
        **dict.fromkeys(LEAKING),
        "CONDA_PREFIX": str(prefix),
        "CONDA_DEFAULT_ENV": shown,
        "CONDA_PROMPT_MODIFIER": f"({shown}) ",
        "CONDA_SHLVL": "1",
        "PYTHONNOUSERSITE": "1",
    }
    for key, value in _package_variables(prefix).items():
        variables[key] = None if value == UNSET else value
    scripts = sorted((prefix / "etc/conda/activate.d").glob("*.sh"))
    return Activation(prefix=prefix, variables=variables, scripts=tuple(scripts))


def _package_variables(prefix: Path) -> dict[str, str]:
    """What packages set, then what the environment itself sets."""
    result: dict[str, str] = {}
    state = prefix / "conda-meta/state"
    files = sorted((prefix / "etc/conda/env_vars.d").glob("*.json"))
    try:
        for path in files:
            result |= msgspec.json.decode(path.read_bytes(), type=dict[str, str])
        if state.is_file():
            result |= msgspec.json.decode(state.read_bytes(), type=_State).env_vars
    except (OSError, msgspec.DecodeError) as error:
        raise NotAPrefixError(
            f"the variables of {prefix} cannot be read: {error}",
            hint="make the environment again, or correct the file below etc/conda/env_vars.d",
        ) from error
    return result


def activated(activation: Activation, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of a program that runs inside of the environment; no script is sourced yet."""
    result = {
        name: value for name, value in inherited.items() if not name.startswith(FOREIGN_PREFIXES)
    }
    for name, value in activation.variables.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value
    result["PATH"] = f"{activation.programs}:{inherited.get('PATH', os.defpath)}"
    return result


def wrapped(activation: Activation, argv: Sequence[str], shell: str) -> tuple[str, ...]:
    """`argv`, run by `shell` after the scripts where there are any; itself where there are none."""
    if not activation.scripts:
        return tuple(argv)
    lines = [f". {shlex.quote(str(path))}" for path in activation.scripts]
    return (shell, "-c", "\n".join([*lines, 'exec "$@"']), "lading", *argv)


def render_hook(activation: Activation, shell: Shell) -> str:
    """Lines that activate the environment in the shell that evaluates them."""
    if shell is Shell.FISH:
        lines = [
            f"set -e {name}" if value is None else f"set -gx {name} {_fish_quoted(value)}"
            for name, value in activation.variables.items()
        ]
        lines.append(f"set -gx PATH {_fish_quoted(str(activation.programs))} $PATH")
        # Scripts for fish stand beside those for POSIX shells.
        scripts = [path.with_suffix(".fish") for path in activation.scripts]
        lines += [f"source {_fish_quoted(str(path))}" for path in scripts if path.is_file()]
    else:
        lines = [
            f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
            for name, value in activation.variables.items()
        ]
        lines.append(f'export PATH={shlex.quote(str(activation.programs))}:"$PATH"')
        lines += [f". {shlex.quote(str(path))}" for path in activation.scripts]
    return "\n".join(lines) + "\n"


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
