"""conda-lock in this process: the same code without the start of another interpreter, for tests."""

import contextlib
import io
import warnings
from pathlib import Path

import yaml

from lading.lock import condalock
from lading.lock.isolation import CondaLock
from lading.system.process import Completed
from lading.system.program import Run

__all__ = ["expect_that_conda_lock_reads", "quick_conda_lock"]


def quick_conda_lock(directory: Path) -> CondaLock:
    """A `CondaLock` that answers in this process; its state lies below `directory`."""
    return CondaLock(state_directory=directory, inherited_environment={}, runner=_answer)


def expect_that_conda_lock_reads(path: Path) -> None:
    """conda-lock reads from the lockfile at `path` just what it says."""
    condalock.import_without_command_line()
    with warnings.catch_warnings():
        # Of its vendored libraries, as below.
        warnings.simplefilter("ignore")
        from conda_lock.lockfile.v1.models import Lockfile  # noqa: PLC0415  # after what it needs
    content = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    read = Lockfile.model_validate({key: content[key] for key in content if key != "version"})
    assert content == read.dict_for_output()


def _answer(request: Run) -> Completed:
    operation = request.argv.index("lading.lock.condalock") + 1
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(written), warnings.catch_warnings():
        # Of its vendored libraries; in its own process nobody sees them.
        warnings.simplefilter("ignore")
        condalock.main(list(request.argv[operation:]))
    written.flush()
    answer = written.buffer.getvalue().decode()
    return Completed(argv=request.argv, returncode=0, stdout=answer, stderr="")
