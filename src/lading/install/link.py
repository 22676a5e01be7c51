"""Link the conda part or let the engine do it, check it, and run link scripts if wanted.

An extracted package is checked after it was linked: the linked files are the same inodes, or copies
just made, so nothing can change in between.
"""

import json
import logging
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lading.conda import RepodataRecord
from lading.engine import Engine, InstallRequest
from lading.errors import EngineError, EngineFailedError, IntegrityError
from lading.install.contents import CondaPart, read_conda_part, script_paths
from lading.install.extracted import (
    damaged_error,
    damaged_packages,
    find_extracted,
    remove_extracted,
)
from lading.install.extraction import Extraction, extract_packages
from lading.install.known_state import KnownState, places_of_states
from lading.install.own_linking import can_link, link_payloads
from lading.install.package_cache import shared_cache
from lading.node import Shell, read_activation, render_hook
from lading.package import CheckedPackage, check_packages, read_package_info
from lading.system import Run, processors, remove_tree, run_checked

MESSAGES = ".messages.txt"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What was linked.

    Attributes:
        extracted: Distribution string → extracted package directory, each checked.
        conda: What lading linked by itself; None where the engine linked.
    """

    extracted: Mapping[str, Path]
    conda: CondaPart | None = None


def check_and_extract(
    engine: Engine, request: InstallRequest, states: Path
) -> dict[str, CheckedPackage]:
    """Check packages before the engine sees one; extract those that it would have to extract.

    What is learned of packages is kept in `states`, absolute. They are returned by distribution
    string.
    """
    known = _known_states(request.records, states)
    with shared_cache(request.package_cache):
        _extract_missing(_places(engine, request), request, known, states)
    return check_packages(
        request.records, request.archives, request.platform, states, workers=processors()
    )


def _places(engine: Engine, request: InstallRequest) -> dict[str, Path]:
    """Distribution string → where the package lies extracted; empty where the engine decides."""
    places = {
        record.distribution: place
        for record in request.records
        if (place := engine.place_of_extracted(record, request.package_cache)) is not None
    }
    return places if len(places) == len(request.records) else {}


def _extract_missing(
    places: Mapping[str, Path],
    request: InstallRequest,
    known: Mapping[str, KnownState],
    states: Path | None,
) -> None:
    missing = [
        Extraction(
            record=record,
            archive=request.archives[record.distribution],
            place=places[record.distribution],
            known=known.get(record.distribution),
            checked=states,
        )
        for record in request.records
        if record.distribution in places and not os.path.lexists(places[record.distribution])
    ]
    extract_packages(missing, processors(), request.progress)


def link_packages(
    engine: Engine, request: InstallRequest, states: Path | None = None, *, bytecode: bool = True
) -> Linked:
    """Fill the prefix.

    A damaged extracted package is removed from the cache and extracted again, once.

    `states` is where the states of sound packages are kept, absolute, or None; `bytecode` says
    whether bytecode that packages bring must be there.

    Raises:
        IntegrityError: An archive or a package is damaged.
        EngineError: The engine failed.
        OSError: The prefix cannot be written.
    """
    known = _known_states(request.records, states) if states is not None else {}

    def fill() -> Linked:
        places = _places(engine, request) if can_link() else {}
        if not places:
            engine.install(request)
            return Linked(extracted=extracted_directories(request.prefix, request.records))
        _extract_missing(places, request, known, states)
        conda = read_conda_part(request.records, places)
        link_payloads(conda, request.prefix, request.progress, bytecode=bytecode)
        return Linked(extracted=places, conda=conda)

    try:
        with shared_cache(request.package_cache):
            linked = fill()
            damaged = damaged_packages(linked.extracted, request.archives, known)
    except (EngineError, IntegrityError):
        # A package that lacks files cannot even be linked.
        wanted = {record.distribution for record in request.records}
        found = find_extracted(request.package_cache)
        linked = Linked(extracted={path.name: path for path in found if path.name in wanted})
        damaged = damaged_packages(linked.extracted, request.archives, known)
        if not damaged:
            raise
    if not damaged:
        return linked
    with shared_cache(request.package_cache, alone=True):
        for name, fault in damaged.items():
            _log.warning("%s is extracted again: %s", name, fault)
            remove_extracted(linked.extracted[name], request.package_cache)
    with suppress(FileNotFoundError):
        remove_tree(request.prefix)
    with shared_cache(request.package_cache):
        linked = fill()
        for name, fault in damaged_packages(linked.extracted, request.archives, known).items():
            raise damaged_error(name, fault)
    return linked


def _known_states(records: Sequence[RepodataRecord], directory: Path) -> dict[str, KnownState]:
    """Distribution string → where its state is kept; empty where `directory` cannot be used."""
    digests = {item.distribution: item.sha256.hex for item in records if item.sha256 is not None}
    return places_of_states(directory, {name: f"{text}.state" for name, text in digests.items()})


def extracted_directories(prefix: Path, records: Sequence[RepodataRecord]) -> dict[str, Path]:
    """Read distribution string → extracted package directory from the engine's prefix records."""
    result: dict[str, Path] = {}
    for record in records:
        path = prefix / f"conda-meta/{record.distribution}.json"
        try:
            document: object = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise EngineFailedError(
                f"the engine left no prefix record of {record.distribution}",
                hint="install with the other engine (--engine), and report this",
            ) from error
        directory = _named_directory(document)
        if directory is None:
            raise EngineFailedError(
                f"the engine does not say where {record.distribution} lies extracted",
                hint="the package cache must stay in place between install and pack",
            )
        result[record.distribution] = directory
    return result


def _named_directory(document: object) -> Path | None:
    """The extracted package directory that a prefix record names, if it is there."""
    if not isinstance(document, dict):
        return None
    link = document.get("link")
    source = link.get("source") if isinstance(link, dict) else None
    for name in (document.get("extracted_package_dir"), source):
        if isinstance(name, str) and name and Path(name, "info/index.json").is_file():
            return Path(name)
    return None


def run_link_scripts(
    records: Sequence[RepodataRecord],
    extracted: Mapping[str, Path],
    prefix: Path,
    environment: Mapping[str, str],
) -> str:
    """Run the link scripts of `records`; return the messages that they leave for the user.

    They run in the order of `records`, with both engines alike, after everything is linked. As
    conda does, a post-link script is sourced by bash in the activated environment, so it may
    `return` and use what `activate.d` sets; a pre-link script is a program of its own.

    Source: CEP 34, "Pre- and post-link/unlink scripts"; conda's `run_script`.
    """
    shell = shutil.which("bash", path=environment.get("PATH", os.defpath)) or "/bin/sh"
    for record in records:
        for script in (prefix / path for path in script_paths(record.name)):
            if not script.is_file():
                continue
            # A lock does not keep the build number.
            index = read_package_info(extracted[record.distribution]).index
            variables = {
                "ROOT_PREFIX": "",
                "PREFIX": str(prefix),
                "SOURCE_DIR": str(prefix),
                "CONDA_PREFIX": str(prefix),
                "PKG_NAME": str(record.name),
                "PKG_VERSION": record.version,
                "PKG_BUILDNUM": str(index.get("build_number", 0)),
                "PATH": f"{script.parent}:{environment.get('PATH', os.defpath)}",
            }
            run_checked(
                Run(
                    argv=(shell, *_program(script, prefix)),
                    environment={**environment, **variables},
                    directory=script.parent,
                ),
                f"the link script {script.name} of {record.name} failed",
                "install without --link-scripts, or take another build of the package",
            )
    return _take_messages(prefix / MESSAGES)


def _program(script: Path, prefix: Path) -> tuple[str, ...]:
    """The arguments of the shell that runs `script`."""
    if script.name.endswith("-pre-link.sh"):
        return (str(script),)
    # Again for each: a script before may have changed what activates the environment.
    hook = render_hook(read_activation(prefix), Shell.POSIX)
    return "-c", f"{hook}. {shlex.quote(str(script))}\n"


def _take_messages(path: Path) -> str:
    if not path.is_file():
        return ""
    text = path.read_text("utf-8", errors="replace")
    path.unlink()
    return text
