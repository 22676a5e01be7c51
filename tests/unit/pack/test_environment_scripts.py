"""`bin/activate` and `bin/deactivate` in each shell that is installed."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from lading.install.contents import environment_payload
from lading.pack.environment_scripts import environment_scripts
from simulators.handmade import file, payload

OLD = "/build/placeholder"

PATH = "/usr/bin:/bin"

SHELLS = {
    "bash": ("bash",),
    "sh of bash": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
    "dash": ("dash",),
    "ksh": ("ksh",),
    "zsh": ("zsh", "-f"),
}

VARIABLES = {
    "PLAIN": 'it\'s $HOME `x` \\ "y"\nsecond line',
    "REPLACED": "new",
    "GONE": "***unset***",
}

POSIX_ROUND = """
PS1='$ '
before=$(env | grep -v -e ^_= -e PWD= | sort)
. "$1"
printf '%s|' "$CONDA_PREFIX" "$CONDA_DEFAULT_ENV" "$PS1" "$PLAIN" "$REPLACED" "${GONE-none}"
printf '%s|' "$IN_PREFIX" "$BY_SCRIPT" "$(env | grep ^BY_SCRIPT=)" "$(tool)"
. deactivate
[ "$before" = "$(env | grep -v -e ^_= -e PWD= | sort)" ] || env >&2
printf '%s|' "${CONDA_PREFIX-none}" "$PS1" "$REPLACED" "$GONE" "${PLAIN-none}" "${BY_SCRIPT-none}"
tool 2>/dev/null || echo no tool
"""

FISH_ROUND = """
function fish_prompt; echo '> '; end
set before (env | grep -v -e ^_= -e PWD= | sort | string collect)
source $argv[1]
printf '%s|' $CONDA_PREFIX $CONDA_DEFAULT_ENV (fish_prompt) $PLAIN $REPLACED
set -q GONE; or printf 'none|'
printf '%s|' $IN_PREFIX $BY_SCRIPT (env | grep ^BY_SCRIPT=) (tool)
deactivate
test "$before" = (env | grep -v -e ^_= -e PWD= | sort | string collect)
or env >&2
set -q CONDA_PREFIX; or printf 'none|'
printf '%s|' (fish_prompt) $REPLACED $GONE
set -q PLAIN; or printf 'none|'
set -q BY_SCRIPT; or printf 'none|'
command -q tool; or echo no tool
"""


def write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment with variables, a program and activation scripts of a package."""
    package = payload(
        file("etc/conda/env_vars.d/a.json", b'{"REPLACED": "by the environment"}'),
        file(
            "etc/conda/env_vars.d/b.json",
            b'{"IN_PREFIX": "%b/etc:%b"}' % (OLD.encode(), OLD.encode()),
            placeholder=OLD,
        ),
    )
    root = tmp_path / "an env"
    for item in environment_scripts([package, environment_payload(VARIABLES)]):
        assert item.content is not None
        write(root / item.path, item.content)
    write(root / "conda-meta/history", b"")
    write(root / "bin/tool", b"#!/bin/sh\necho a tool\n", 0o755)
    # Such scripts look at variables that are not set, and end with what is not true.
    first = b'export BY_SCRIPT="$NOT_SET$CONDA_PREFIX"\nfalse\n'
    for name, content in {
        "activate.d/a.sh": first,
        "deactivate.d/a.sh": b"unset BY_SCRIPT\n",
    }.items():
        write(root / "etc/conda" / name, content)
    write(root / "etc/conda/activate.d/a.fish", b"set -gx BY_SCRIPT $CONDA_PREFIX\n")
    write(root / "etc/conda/deactivate.d/a.fish", b"set -e BY_SCRIPT\n")
    return root


def sourced(shell: tuple[str, ...], script: str, *arguments: object, **more: str) -> str:
    """What a shell prints for `script`; skips where it is not installed."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    variables: Mapping[str, str] = {
        "PATH": PATH,
        "HOME": "/nowhere",
        "REPLACED": "old",
        "GONE": "kept",
    }
    done = subprocess.run(
        [*shell, "-c", script, *(() if shell[0] == "fish" else ("-",)), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**variables, **more},
        timeout=20,
    )
    assert ("", 0) == (done.stderr, done.returncode)
    return done.stdout


def expected(prefix: Path, prompt: str) -> str:
    """What a round of activation and deactivation prints."""
    active = [prefix, "an env", f"(an env) {prompt}", VARIABLES["PLAIN"], "new", "none"]
    active += [f"{prefix}/etc:{prefix}", prefix, f"BY_SCRIPT={prefix}", "a tool"]
    after = ["none", prompt, "old", "kept", "none", "none"]
    return "|".join(map(str, [*active, *after, "no tool\n"]))


@pytest.mark.parametrize("options", ["", "set -eu\n", "set -o errexit -o nounset\n"])
@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_activation_and_back(prefix: Path, shell: tuple[str, ...], options: str) -> None:
    """Whatever the options of the shell, all is set while active, and as before afterwards."""
    printed = sourced(shell, options + POSIX_ROUND, prefix / "bin/activate")
    assert expected(prefix, "$ ") == printed


def test_activation_and_back_in_fish(prefix: Path) -> None:
    """The same in fish."""
    printed = sourced(("fish",), FISH_ROUND, prefix / "bin/activate.fish")
    assert expected(prefix, "> ") == printed


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_one_environment_after_another(prefix: Path, shell: tuple[str, ...]) -> None:
    """A second environment takes the place of the first; the same one may be activated again."""
    other = prefix.with_name("other")
    shutil.copytree(prefix, other)
    script = """
        set -eu
        . "$1/bin/activate"; . "$1/bin/activate"; cd "$2/bin"; . ./activate
        echo "$CONDA_PREFIX:$PATH"
        . deactivate
        echo "${CONDA_PREFIX-none}:$REPLACED:$PATH"
    """
    assert [f"{other}:{other}/bin:{PATH}", f"none:old:{PATH}"] == sourced(
        shell, script, prefix, other
    ).splitlines()


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_over_an_environment_of_conda(prefix: Path, shell: tuple[str, ...]) -> None:
    """What another tool activated is active again afterwards, also in a child of the shell."""
    inner = f"{' '.join(shell)} -c '. deactivate; echo $CONDA_PREFIX'"
    script = f'. "$1/bin/activate"; {inner}; . deactivate; echo "$CONDA_PREFIX"'
    printed = sourced(shell, script, prefix, CONDA_PREFIX="/opt/conda", CONDA_SHLVL="1")
    assert "/opt/conda\n/opt/conda\n" == printed


def test_a_shell_that_does_not_tell(prefix: Path) -> None:
    """Where the place of the script cannot be found out, it says what to do, and that works."""
    text = (prefix / "bin/activate").read_text()
    script = """
        activate() { eval "$1"; }
        activate "$1" || echo failed
        LADING_PREFIX=$2; activate "$1"; echo "$CONDA_PREFIX"
    """
    words = ["dash", "-c", script, "-", text, prefix]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=20)
    assert (f"failed\n{prefix}\n", True) == (done.stdout, "set LADING_PREFIX to" in done.stderr)


def test_a_package_may_bring_its_own() -> None:
    """The package conda has a `bin/activate`: it stays."""
    scripts = environment_scripts([payload(file("bin/activate", b"own"))])
    assert ["bin/activate.fish", "bin/conda-unpack", "bin/deactivate"] == [
        item.path for item in scripts
    ]
