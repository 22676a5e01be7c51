"""Running other programs."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from lading.errors import EngineFailedError, EngineNotFoundError
from lading.system.process import (
    Completed,
    command_line,
    run,
    run_checked,
    scrubbed_environment,
)
from lading.system.program import Run, become

ENVIRONMENT = {"PATH": os.defpath}


def python(code: str, *, timeout: float | None = None, directory: Path | None = None) -> Run:
    """A run of this interpreter with `code`."""
    return Run(
        argv=(sys.executable, "-S", "-c", code),
        environment=ENVIRONMENT,
        timeout=timeout,
        directory=directory,
    )


def is_alive(process: int) -> bool:
    """Whether a process runs; one that waits to be reaped by init does not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def wait_for_end(process: int) -> bool:
    """Whether a process ends within five seconds."""
    deadline = time.monotonic() + 5
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(process)


def family(note: Path, *, leader_stays: bool, ignores: bool = False) -> str:
    """A program that starts a child, writes its number to `note`, and stays or ends at once."""
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN);" if ignores else ""
    child = f"import signal,time;{ignore}print('up',flush=True);time.sleep(60)"
    return (
        "import os,pathlib,subprocess,sys,time\n"
        f"child = subprocess.Popen([sys.executable, '-S', '-c', {child!r}],"
        " stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        f"part = pathlib.Path({str(note) + '.part'!r})\n"
        "part.write_text(str(child.pid))\n"
        f"part.rename({str(note)!r})\n" + ("time.sleep(60)\n" if leader_stays else "os._exit(0)\n")
    )


def interrupt_when(note: Path) -> threading.Thread:
    """A thread that interrupts this process once `note` is there."""

    def wait_and_interrupt() -> None:
        while not note.exists():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=wait_and_interrupt)
    thread.start()
    return thread


def test_output_and_exit_code_are_returned(tmp_path: Path) -> None:
    """A program that fails is an outcome, not an error; bytes that are no UTF-8 are replaced."""
    code = r"import os, sys; print(os.getcwd()); sys.stderr.buffer.write(b'a\xff'); sys.exit(3)"
    done = run(python(code, directory=tmp_path))
    assert (3, f"{tmp_path.resolve()}\n", "a\N{REPLACEMENT CHARACTER}") == (
        done.returncode,
        done.stdout,
        done.stderr,
    )


def test_nothing_is_inherited() -> None:
    """A child sees the environment it is given, and a question gets no answer."""
    code = "import os, sys; print(sorted(set(os.environ) - {'LC_CTYPE'}), repr(sys.stdin.read()))"
    assert "['PATH'] ''\n" == run(python(code)).stdout


def test_what_is_not_executable_is_named(tmp_path: Path) -> None:
    """What cannot be run is named with the reason."""
    path = tmp_path / "program"
    with pytest.raises(EngineNotFoundError, match="program: No such file"):
        run(Run(argv=(str(path),), environment={}))
    path.write_text("data")
    with pytest.raises(EngineNotFoundError, match="Permission denied"):
        run(Run(argv=(str(path),), environment={}))


@pytest.mark.parametrize("leader_stays", [True, False])
def test_a_timeout_ends_the_whole_group(tmp_path: Path, *, leader_stays: bool) -> None:
    """What runs too long is ended with all that it started, although the leader is gone."""
    note = tmp_path / "note"
    with pytest.raises(EngineFailedError, match=r"was ended after 1 seconds"):
        run(python(family(note, leader_stays=leader_stays), timeout=1))
    assert wait_for_end(int(note.read_text()))


@pytest.mark.parametrize("ignores", [False, True])
def test_an_interruption_ends_the_whole_group(tmp_path: Path, *, ignores: bool) -> None:
    """After Ctrl-C neither the child nor the grandchild runs, polite or not."""
    note = tmp_path / "note"
    thread = interrupt_when(note)
    request = replace(python(family(note, leader_stays=True, ignores=ignores)), grace=0.2)
    with pytest.raises(KeyboardInterrupt):
        run(request)
    thread.join()
    assert wait_for_end(int(note.read_text()))


def test_an_unsuccessful_program_can_be_an_error() -> None:
    """What must succeed and does not is told with its last words."""
    assert "1\n" == run_checked(python("print(1)"), "it failed").stdout
    with pytest.raises(EngineFailedError, match=r"it failed \(exit code 2\)") as caught:
        run_checked(
            python("import sys; sys.stderr.write('why\\nso'); sys.exit(2)"), "it failed", "do"
        )
    assert (("why", "so"), "do") == (caught.value.details, caught.value.hint)


@pytest.mark.parametrize(
    ("stdout", "stderr", "expected"),
    [
        ("out\n", "", ("out",)),
        ("out", "err\n", ("err",)),
        ("", "", ()),
        ("\n".join(map(str, range(100))), "", tuple(map(str, range(80, 100)))),
    ],
)
def test_last_words(stdout: str, stderr: str, expected: tuple[str, ...]) -> None:
    """The last twenty lines of standard error, or else of standard output."""
    done = Completed(argv=("x",), returncode=0, stdout=stdout, stderr=stderr)
    assert expected == done.last_lines()


def test_a_scrubbed_environment_keeps_little() -> None:
    """Only what programs need of the caller's variables survives; home is private, unless given."""
    inherited = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "https_proxy": "proxy",
        "CONDA_PREFIX": "/conda",
        "MAMBA_ROOT_PREFIX": "/mamba",
        "PIP_INDEX_URL": "pip",
        "UV_INDEX": "uv",
        "PYTHONPATH": "/python",
        "LD_LIBRARY_PATH": "/lib",
    }
    assert {
        "PATH": "/bin",
        "https_proxy": "proxy",
        "HOME": "/private",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    } == scrubbed_environment(inherited, Path("/private"))
    assert "x" == scrubbed_environment({}, Path("/private"), {"HOME": "x"})["HOME"]


def test_no_credential_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The line that says what is run holds neither passwords nor tokens of channels."""
    with caplog.at_level(logging.DEBUG, logger="lading.system.process"):
        run(
            Run(
                argv=("/bin/true", "https://user:secret@host/c", "https://host/t/tk-secret/c"),
                environment={},
            )
        )
    assert "run /bin/true https://host/c https://host/c" == caplog.messages[0]


def test_a_command_line_can_be_pasted() -> None:
    """Words with spaces are quoted as a shell reads them."""
    assert "rm 'a b'" == command_line(["rm", "a b"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child")
def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    """Whoever is killed cannot end its child, which must not go on writing all the same."""
    note = tmp_path / "note"
    code = f"import os,pathlib,time;pathlib.Path({str(note)!r}).write_text(str(os.getpid()))\n"
    code += "time.sleep(60)"
    source = f"""
import sys
from lading.system.process import Run, run
run(Run(argv=(sys.executable, "-S", "-c", {code!r}), environment={{}}))
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", source], env=environment) as parent:
        deadline = time.monotonic() + 10
        while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        parent.kill()
    assert wait_for_end(int(note.read_text()))


def test_becoming_another_program(tmp_path: Path) -> None:
    """The new program has the process, its streams, and signals as a shell would give them."""
    code = "import signal,sys;print(signal.getsignal(signal.SIGPIPE).name, sys.argv[1]);sys.exit(5)"
    source = f"""
import sys
from lading.system.program import Run, become
print("before")
become(Run(argv=("python", "-S", "-c", {code!r}, "a b"), environment={{}}), sys.executable)
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=environment,
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    # Python ignores SIGPIPE by itself: what it found when it started is not told.
    assert (5, "before\nSIG_IGN a b\n") == (done.returncode, done.stdout)


def test_becoming_what_is_no_program(tmp_path: Path) -> None:
    """What cannot be executed is said."""
    pipe = signal.getsignal(signal.SIGPIPE)
    try:
        with pytest.raises(EngineNotFoundError, match="cannot run"):
            become(Run(argv=("x",), environment={}), str(tmp_path))
    finally:
        signal.signal(signal.SIGPIPE, pipe)
