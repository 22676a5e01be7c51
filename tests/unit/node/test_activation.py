"""Activation without a shell function."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lading.errors import NotAPrefixError
from lading.node.activation import Shell, activated, read_activation, render_hook, wrapped


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment with variables and a script, at a place with a space and a quote in it."""
    root = tmp_path / "an env'ironment"
    for name, content in {
        "conda-meta/state": json.dumps({"env_vars": {"OWN": "state's", "BOTH": "state"}}),
        "etc/conda/env_vars.d/a.json": json.dumps({"BOTH": "package", "GONE": "***unset***"}),
        "etc/conda/activate.d/a.sh": "export SOURCED=$CONDA_PREFIX\n",
        "etc/conda/activate.d/a.fish": "set -gx SOURCED yes\n",
        "etc/conda/activate.d/ignored.csh": "exit 1\n",
        "bin/tool": '#!/bin/sh\necho "$OWN|$BOTH|$GONE|$SOURCED|$PYTHONPATH"\n',
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / "bin/tool").chmod(0o755)
    return root


INHERITED = {
    "PATH": "/usr/bin:/bin",
    "GONE": "here",
    "PYTHONPATH": "/evil",
    "CONDA_PREFIX_1": "/opt/conda",
    "KEPT": "kept",
}


def test_variables(prefix: Path) -> None:
    """The state of the environment wins over its packages; what leaks in goes."""
    found = activated(read_activation(prefix, "sample"), INHERITED)
    assert found == {
        "PATH": f"{prefix}/bin:/usr/bin:/bin",
        "KEPT": "kept",
        "OWN": "state's",
        "BOTH": "state",
        "CONDA_PREFIX": str(prefix),
        "CONDA_DEFAULT_ENV": "sample",
        "CONDA_PROMPT_MODIFIER": "(sample) ",
        "CONDA_SHLVL": "1",
        "PYTHONNOUSERSITE": "1",
    }


def test_a_program_runs_inside(prefix: Path) -> None:
    """Scripts are sourced first, arguments arrive whole, the exit code is the program's."""
    activation = read_activation(prefix)
    argv = wrapped(activation, ["sh", "-c", 'tool; echo "$1"; exit 7', "sh", "a  b"], "/bin/sh")
    done = subprocess.run(
        argv, env=activated(activation, INHERITED), check=False, capture_output=True, text=True
    )
    assert (7, f"state's|state||{prefix}|\na  b\n") == (done.returncode, done.stdout)


def test_without_scripts_there_is_no_shell(prefix: Path) -> None:
    """Where nothing is to be sourced, the program runs as it is."""
    shutil.rmtree(prefix / "etc/conda/activate.d")
    assert ("tool", "x") == wrapped(read_activation(prefix), ["tool", "x"], "/bin/sh")


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_a_hook_is_evaluated(prefix: Path, shell: str) -> None:
    """A shell that evaluates the hook is inside."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    hook = render_hook(read_activation(prefix), Shell.POSIX)
    done = subprocess.run(
        [shell, "-c", f"set -eu\n{hook}tool"],
        env=INHERITED,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (f"state's|state||{prefix}|\n", "") == (done.stdout, done.stderr)


def test_a_hook_for_fish(prefix: Path) -> None:
    """A fish shell has words and scripts of its own."""
    lines = render_hook(read_activation(prefix), Shell.FISH).splitlines()
    escaped = str(prefix).replace("'", "\\'")
    assert {
        "set -e GONE",
        "set -gx OWN 'state\\'s'",
        f"set -gx PATH '{escaped}/bin' $PATH",
        f"source '{escaped}/etc/conda/activate.d/a.fish'",
    } <= set(lines)


def test_no_environment(tmp_path: Path) -> None:
    """A directory without conda-meta is refused."""
    with pytest.raises(NotAPrefixError, match="is not an environment"):
        read_activation(tmp_path)


def test_damaged_variables(prefix: Path) -> None:
    """What cannot be read is named."""
    (prefix / "etc/conda/env_vars.d/a.json").write_text("{")
    with pytest.raises(NotAPrefixError, match="the variables of"):
        read_activation(prefix)


@pytest.mark.parametrize("place", ["etc/conda/env_vars.d/a.json", "conda-meta/state"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("X=1;touch pwned;Y", "1"), ("", "1"), ("X\n", "1"), ("1X", "1"), ("Ü", "1"), ("X", "a\0b")],
)
def test_names_and_values_that_no_shell_can_set(
    prefix: Path, place: str, name: str, value: str
) -> None:
    """They would be evaluated, or crash the program: refused for both."""
    variables: object = {name: value}
    document = {"env_vars": variables} if place == "conda-meta/state" else variables
    (prefix / place).write_text(json.dumps(document))
    with pytest.raises(NotAPrefixError, match=r"cannot be set: .*(letters, digits and _|NUL)"):
        read_activation(prefix)


def test_variables_behind_a_pipe_are_not_waited_for(prefix: Path) -> None:
    """Nobody may ever write into it."""
    os.mkfifo(prefix / "etc/conda/env_vars.d/b.json")
    with pytest.raises(NotAPrefixError, match="Not a regular file"):
        read_activation(prefix)
