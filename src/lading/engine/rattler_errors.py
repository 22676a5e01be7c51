"""rattler's exceptions as ours, without credentials."""

from collections.abc import Iterator
from contextlib import contextmanager

import rattler.exceptions as native

from lading.engine.errors import (
    BrokenRecordError,
    clean_lines,
    install_error,
    solve_error,
    unread_channel,
)
from lading.errors import EngineFailedError, FetchError, LadingError, SpecError

PANICS = {"PanicException", "RustPanic"}  # defects of rattler; they cannot be imported
# How rattler's message begins where a record cannot be read.
BROKEN_RECORD = "failed to extract repodata records"


# They have no common root.
_NATIVE_ERRORS = tuple(
    kind
    for kind in vars(native).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise every exception of rattler as one of ours, without credentials."""
    try:
        yield
    except (native.InvalidMatchSpecError, native.InvalidVersionSpecError) as error:
        raise SpecError(f"invalid MatchSpec: {error}", hint="correct it") from error
    except native.SolverError as error:
        raise _solver_error(error) from error
    except native.AuthenticationStorageError as error:
        raise SpecError(
            f"the credentials in the home directory cannot be read: {error}",
            hint="let HOME be a directory, or correct the file named",
        ) from error
    except (native.GatewayError, native.FetchRepoDataError, native.InvalidChannelError) as error:
        raise _channel_error(clean_lines(str(error))) from error
    except (native.InstallerError, native.LinkError, native.ExtractError) as error:
        raise install_error(clean_lines(str(error))) from error
    except BaseException as error:
        if type(error).__name__ not in PANICS and not isinstance(error, _NATIVE_ERRORS):
            raise
        lines = clean_lines(str(error))
        raise EngineFailedError(
            f"the embedded engine failed: {' '.join(lines[:1])}",
            hint="run again with -v, or try --engine micromamba",
            details=lines,
        ) from error


def _channel_error(lines: tuple[str, ...]) -> FetchError:
    if any(BROKEN_RECORD in line for line in lines):
        return BrokenRecordError.told(lines[-1], lines)
    return unread_channel(lines)


def _solver_error(error: Exception) -> LadingError:
    text = str(error)
    if "cancelled" in text or "timeout" in text:
        return EngineFailedError(
            "the solver exceeded its time limit", hint="allow more time with --timeout"
        )
    return solve_error(clean_lines(text.removeprefix("Cannot solve the request because of: ")))
