"""Scripts of other languages that find their interpreter, run by real interpreters."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lading.package.script_headers import script_for

# Language → options, and a script that prints its name, an argument and what its options did.
SCRIPTS = {
    "perl": ("-w -T", 'print "$0|$ARGV[0]|", ${^TAINT}, $^W, "|", <DATA>;\n__END__\ndata\n'),
    "ruby": ("-W0", 'puts "#{$0}|#{ARGV[0]}|#{$VERBOSE.inspect}|#{DATA.read}"\n__END__\ndata\n'),
    "node": (
        "--no-warnings",
        (
            "'use strict';\nlet [, name, first] = process.argv;\n"
            "console.log(`${name}|${first}|${process.execArgv}`);\n"
        ),
    ),
    "Rscript": (
        "--vanilla",
        "a <- commandArgs()\ncat(a[length(a)], '--vanilla' %in% a, sep='|')\n",
    ),
    "tclsh": ("", 'puts "$argv0|[lindex $argv 0]|[file tail [info nameofexecutable]]"\n'),
    "bash": ("-eu", 'echo "$0|$1|$-|${BASH##*/}"; a=(1 2); echo "${a[1]}"\n'),
}

PRINTED = {
    "perl": "{script}|an argument|11|data\n",
    "ruby": "{script}|an argument|nil|data\n",
    "node": "{script}|an argument|--no-warnings\n",
    "Rscript": "an argument|TRUE",
    "tclsh": "{script}|an argument|tclsh\n",
    "bash": "{script}|an argument|ehuB|bash\n2\n",
}


@pytest.mark.parametrize("directory", ["bin", "libexec/x"])
@pytest.mark.parametrize("language", SCRIPTS)
def test_a_script_runs(tmp_path: Path, language: str, directory: str) -> None:
    """It runs in a place with spaces, through a link, without an interpreter on PATH."""
    real = shutil.which(language)
    if real is None:
        pytest.skip(f"{language} is not installed")
    prefix = tmp_path / "an env"
    (prefix / directory).mkdir(parents=True)
    (prefix / "bin").mkdir(exist_ok=True)
    (prefix / directory / language).symlink_to(real)
    options, body = SCRIPTS[language]
    interpreter = language if directory == "bin" else f"../{directory}/{language}"
    made = script_for(interpreter, options, body.encode())
    assert made is not None
    script = prefix / "bin/script"
    script.write_bytes(made)
    script.chmod(0o755)
    (tmp_path / "link").symlink_to(script)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("dirname", "readlink", "uname", "sed", "rm", "expr"):
        (programs / name).symlink_to(shutil.which(name) or "")
    for called in (script, tmp_path / "link"):
        done = subprocess.run(
            [called, "an argument"],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": str(programs)},
            timeout=30,
        )
        assert (PRINTED[language].format(script=called), "") == (done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("interpreter", "options"),
    [("awk", "-f"), ("perl", "-e '$x'"), ("a b/perl", ""), ("env", "perl")],
)
def test_what_must_be_told_of_its_place(interpreter: str, options: str) -> None:
    """A language that is not known, and words that a shell would read otherwise, get no header."""
    assert script_for(interpreter, options, b"") is None
