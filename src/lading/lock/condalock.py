"""conda-lock, in a process of its own: `python -m lading.lock.condalock OPERATION QUESTION`.

It prints one JSON document, an answer or a `Failure` (see `lading.lock.exchange`); any other end is
a defect and shows a traceback. `lading.lock.isolation` starts it.

The modules `condalock_*` import conda_lock, and so are imported only here, when this module has
prepared that: most of what conda_lock would import is not needed for either operation.

Source: conda-lock 4.0.3; of its internals are used `src_parser`, both reading and aggregation,
`content_hash.compute_content_hashes`, `virtual_package.FakeRepoData`, `pypi_solver.solve_pypi`,
`lookup.conda_name_to_pypi_name` and the models of its sources.
"""

# ruff: noqa: PLC0415  # see above

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import msgspec

from lading.errors import FetchError, SolveError, SpecError
from lading.lock.exchange import Failure, Operation, PipQuestion, SourceQuestion
from lading.system import decode_json

SOLVER = "conda_lock.pypi_solver"


def main(arguments: list[str]) -> None:
    """Answer the question in the file named by the second argument, on standard output."""
    operation, question = Operation(arguments[0]), Path(arguments[1]).read_bytes()
    import_without_command_line()
    answer: msgspec.Struct
    try:
        match operation:
            case Operation.READ:
                import_parsers()
                from lading.lock.condalock_sources import read_sources

                answer = read_sources(decode_json(question, SourceQuestion))
            case Operation.SOLVE_PIP:
                from lading.lock.condalock_pip import solve_pip

                answer = solve_pip(decode_json(question, PipQuestion))
    except (SpecError, SolveError, FetchError) as error:
        answer = Failure(
            failure=type(error).__name__,
            message=error.message,
            details=error.details,
            hint=error.hint,
        )
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def import_without_command_line() -> None:
    """Let parts of conda_lock be imported without its `__init__`.

    That one imports the whole command line, three times the work of all that is used here.
    """
    spec = importlib.util.find_spec("conda_lock")
    if spec is not None:
        sys.modules.setdefault("conda_lock", importlib.util.module_from_spec(spec))


def import_parsers() -> None:
    """Import what reads sources without the solver of pip packages, until a marker needs it.

    Its import takes three times as long as everything else. `markers` alone uses it, and of it only
    the description of a platform.
    """
    if SOLVER in sys.modules:
        return

    def platform_environment(**options: object) -> object:
        from conda_lock.pypi_solver import PlatformEnv

        return PlatformEnv(**options)

    instead = ModuleType(SOLVER)
    instead.__dict__["PlatformEnv"] = platform_environment
    sys.modules[SOLVER] = instead
    try:
        importlib.import_module("conda_lock.src_parser")
    finally:
        del sys.modules[SOLVER]


if __name__ == "__main__":
    main(sys.argv[1:])
