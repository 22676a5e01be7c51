"""Finding the micromamba executable, and refusing versions that are known to be broken."""

import logging
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from lading.errors import EngineError, EngineNotFoundError
from lading.system import Completed, Run, run, scrubbed_environment

VARIABLE = "LADING_MICROMAMBA"
PRIVATE_PATH = Path(".lading/bin/micromamba")

FIRST_SUPPORTED = (2, 0)
LAST_SUPPORTED = (2, 8)
# Their solver cache drops packages silently (mamba-org/mamba#4052).
FIRST_BROKEN = (2, 1, 1)
LAST_BROKEN = (2, 3, 2)

Runner = Callable[[Run], Completed]

_log = logging.getLogger(__name__)


def find_micromamba(
    explicit: Path | None, environment: Mapping[str, str], directory: Path
) -> Path | None:
    """The executable to use, or None if there is none.

    Args:
        explicit: Path that the user gave, or None; it must exist.
        environment: Variables: `LADING_MICROMAMBA`, whose path must exist too, and PATH.
        directory: Of the project; it may hold `.lading/bin/micromamba`.

    Raises:
        EngineNotFoundError: The given path does not exist or is not executable.
    """
    named = explicit or (Path(environment[VARIABLE]) if environment.get(VARIABLE) else None)
    if named is not None:
        found = shutil.which(str(directory / named))
        if found is None:
            raise EngineNotFoundError(
                f"{named} is not an executable file",
                hint=f"correct --micromamba or {VARIABLE}, or get one with `lading bootstrap`",
            )
        return Path(found)
    private = shutil.which(str(directory / PRIVATE_PATH))
    found = private or shutil.which("micromamba", path=environment.get("PATH", ""))
    return Path(found) if found else None


def read_version(
    executable: Path, inherited_environment: Mapping[str, str], runner: Runner = run
) -> str:
    """Ask `executable` for its version."""
    environment = scrubbed_environment(inherited_environment, Path("/nonexistent"))
    answer = runner(Run(argv=(str(executable), "--version"), environment=environment, timeout=60))
    match = re.search(r"\b(\d+)\.(\d+)\.(\d+)\b", answer.stdout)
    if answer.returncode != 0 or match is None:
        raise EngineError(
            f"{executable} is not micromamba",
            hint="correct --micromamba, or get one with `lading bootstrap`",
            details=answer.last_lines(),
        )
    number = tuple(int(part) for part in match.groups())
    if FIRST_BROKEN <= number <= LAST_BROKEN:
        raise EngineError(
            f"micromamba {match[0]} silently leaves packages out of its solutions",
            hint="use 2.3.3 or later, or get one with `lading bootstrap`",
        )
    if not FIRST_SUPPORTED <= number[:2] <= LAST_SUPPORTED:
        _log.warning("micromamba %s is untested; lading is tested with 2.0 to 2.8", match[0])
    return match[0]
