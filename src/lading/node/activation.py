"""Activate an environment without a shell function: variables to set, and scripts to source.

Variables of the caller that would leak in are removed: another environment's `CONDA_*`,
`PYTHONPATH`, `PYTHONHOME`, and the user's own site directory.

Source: conda's `activate.py` (`etc/conda/env_vars.d`, `conda-meta/state`, `etc/conda/activate.d`).
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from lading.conda import UNSET, VARIABLES_DIRECTORY, fish_quoted, refusal_of_variables
from lading.errors import NotAPrefixError
from lading.system import decode_json, read_regular

LEAKING = ("PYTHONHOME", "PYTHONPATH")
FOREIGN_PREFIXES = ("CONDA_", "_CE_", "_CONDA_")


class Shell(StrEnum):
    """The language that a hook is written in."""

    POSIX = "posix"
    FISH = "fish"


class Activation(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to activate an environment.

    Attributes:
        prefix: Absolute.
        variables: Name → value, or None to remove it; without PATH.
        scripts: To be sourced by a POSIX shell, in order, absolute.
    """

    prefix: Path
    variables: Mapping[str, str | None]
    scripts: tuple[Path, ...]

    @property
    def programs(self) -> Path:
        """The directory that comes first on PATH."""
        return self.prefix / "bin"


class _State(msgspec.Struct, frozen=True):
    env_vars: dict[str, str] = {}


def read_activation(prefix: Path, name: str = "") -> Activation:
    """How the environment at `prefix` is activated.

    Args:
        prefix: Absolute.
        name: What a prompt calls it; empty for the name of its directory.

    Raises:
        NotAPrefixError: There is none, or its variables cannot be read or set.
    """
    if not (prefix / "conda-meta").is_dir():
        raise NotAPrefixError(
            f"{prefix} is not an environment", hint="name the directory that holds conda-meta"
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
    """What packages set, overridden by what the environment itself sets."""
    result: dict[str, str] = {}
    state = prefix / "conda-meta/state"
    files = sorted((prefix / VARIABLES_DIRECTORY).glob("*.json"))
    try:
        for path in files:
            result |= decode_json(read_regular(path, follow=True), dict[str, str])
        if state.exists():
            result |= decode_json(read_regular(state, follow=True), _State).env_vars
        refusal = refusal_of_variables(result)
    except (OSError, ValueError) as error:
        refusal = str(error)
    if refusal:
        raise NotAPrefixError(
            f"the variables of {prefix} cannot be set: {refusal}",
            hint="install the environment again, or correct the file below etc/conda/env_vars.d",
        )
    return result


def activated(activation: Activation, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of a program that runs in the environment; no script is sourced yet."""
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
    """`argv`, run by `shell` after the scripts; `argv` itself if there are no scripts."""
    if not activation.scripts:
        return tuple(argv)
    lines = [f". {shlex.quote(str(path))}" for path in activation.scripts]
    return (shell, "-c", "\n".join([*lines, 'exec "$@"']), "lading", *argv)


def render_hook(activation: Activation, shell: Shell) -> str:
    """Lines that activate the environment in the shell that evaluates them."""
    if shell is Shell.FISH:
        lines = [
            f"set -e {name}" if value is None else f"set -gx {name} {fish_quoted(value)}"
            for name, value in activation.variables.items()
        ]
        lines.append(f"set -gx PATH {fish_quoted(str(activation.programs))} $PATH")
        # Scripts for fish stand beside those for POSIX shells.
        scripts = [path.with_suffix(".fish") for path in activation.scripts]
        lines += [f"source {fish_quoted(str(path))}" for path in scripts if path.is_file()]
    else:
        lines = [
            f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
            for name, value in activation.variables.items()
        ]
        lines.append(f'export PATH={shlex.quote(str(activation.programs))}:"$PATH"')
        lines += [f". {shlex.quote(str(path))}" for path in activation.scripts]
    return "\n".join(lines) + "\n"
