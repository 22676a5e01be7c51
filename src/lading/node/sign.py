"""Sign relocated programs and libraries again, so that macOS starts them.

The signature that a package brings does not match any more once a path in the file is replaced. As
conda and rattler do, the file is signed *ad hoc*, by nobody in particular; what it is allowed to do
(its entitlements) stays. What was signed over is given back, see `conda/signature.py`.
"""

import hashlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from lading.conda import Content, Signature, signature_of, with_signature
from lading.errors import PrefixError
from lading.system import content_of

CODESIGN = "/usr/bin/codesign" if sys.platform == "darwin" else ""
"""The program that signs; empty where nothing needs to be signed."""

VARIABLE = "LADING_CODESIGN"

_WORDS = ("-s", "-", "-f", "--preserve-metadata=identifier,entitlements")
_AT_ONCE = 200

_log = logging.getLogger(__name__)


def codesign_of(variables: Mapping[str, str]) -> str:
    """The program that signs, by environment variables; empty for none."""
    return variables.get(VARIABLE, CODESIGN)


def sign_again(
    program: str, files: Iterable[tuple[str, Path]], shipped: Mapping[str, Signature]
) -> dict[str, Signature]:
    """Sign the Mach-O files among `files` that still have the signature they were shipped with.

    Mode and times stay.

    Args:
        program: Called as `codesign` is; empty does nothing.
        files: Path in the environment, and where the file is.
        shipped: Path → shipped signature of the files that were signed before.

    Returns:
        `shipped`, with what the files had that were signed now.

    Raises:
        PrefixError: It cannot sign one of them.
        OSError: A file cannot be read.
    """
    result = dict(shipped)
    unsigned: dict[Path, tuple[str, os.stat_result, str]] = {}
    for path, place in files if program else ():
        with content_of(place) as data:
            if needs_signing(data, shipped.get(path)):
                result[path] = signature_of(data)
                digest = _digest_of(with_signature(data, result[path]))
                unsigned[place] = path, place.stat(), digest
    places = list(unsigned)
    for start in range(0, len(places), _AT_ONCE):
        _run(program, places[start : start + _AT_ONCE])
    for place, (path, status, digest) in unsigned.items():
        place.chmod(status.st_mode & 0o7777)
        os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
        with content_of(place) as data, suppress(ValueError):
            if _digest_of(with_signature(data, result[path])) == digest:
                continue
        _log.warning("more of %s was changed than its signature: `lading verify` finds it", path)
        del result[path]
    return result


def needs_signing(data: Content, shipped: Signature | None) -> bool:
    """Whether a file that was relocated has the signature that it was shipped with.

    Args:
        data: Its content.
        shipped: What it was shipped with; None where it was not signed again yet.
    """
    found = signature_of(data)
    return bool(found) and shipped in {None, found}


def _run(program: str, places: list[Path]) -> None:
    from lading.system import Run, run  # noqa: PLC0415  # slow to load, and for macOS alone

    argv = (program, *_WORDS, *map(str, places))
    completed = run(Run(argv=argv, environment={"PATH": os.defpath}))
    if completed.returncode != 0:
        raise PrefixError(
            f"{program} cannot sign what was relocated (exit code {completed.returncode})",
            hint="macOS would not start these files; report it with the lines above",
            details=completed.last_lines(),
        )


def _digest_of(chunks: Iterator[bytes]) -> str:
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
    return hasher.hexdigest()
