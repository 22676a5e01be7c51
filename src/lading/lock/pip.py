"""The pip part of a lock: solved by conda-lock, on top of the conda packages."""

import datetime as dt
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from packaging.utils import canonicalize_name

from lading.conda import MirrorMap, Platform, without_credentials
from lading.errors import SpecError
from lading.lock.exchange import LockEntry, Operation, PipAnswer, PipQuestion
from lading.lock.isolation import CondaLock
from lading.lock.sources import LockSpec

__all__ = ["PipRequest", "solve_pip"]

PYTHON = "python"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipRequest:
    """Solve the pip part of one platform.

    Attributes:
        spec: What the sources ask for.
        platform: Which platform.
        conda: The conda packages that are there already.
        pins: pip packages to keep where they still satisfy the sources.
        update: Names of `pins` to move.
        index: URL of the package index to ask instead of PyPI, or empty.
        mirrors: Mapped out of the URLs of the answer.
        exclude_newer: Files uploaded after it do not exist; aware, or None.
        build_sdists: Whether source distributions may be built and locked.
    """

    spec: LockSpec
    platform: Platform
    conda: tuple[LockEntry, ...]
    pins: tuple[LockEntry, ...]
    update: frozenset[str]
    index: str
    mirrors: MirrorMap
    exclude_newer: dt.datetime | None = None
    build_sdists: bool = False


def solve_pip(conda_lock: CondaLock, request: PipRequest) -> tuple[LockEntry, ...]:
    """The conda packages, categories completed, and the pip packages that belong to them.

    Raises:
        SpecError: There is no Python, a package has no wheel, or one is there as conda package.
        SolveError: There is no solution.
        FetchError: The package index could not be read.
    """
    if all(entry.name != PYTHON for entry in request.conda):
        raise SpecError(
            "pip packages are asked for, but no python",
            hint="add `- python` to the dependencies",
        )
    question = PipQuestion(
        source=request.spec.question,
        content_hash=request.spec.platforms[request.platform].content_hash,
        platform=request.platform.value,
        conda=request.conda,
        locked=request.pins,
        update=tuple(sorted(request.update)),
        index=request.index,
        exclude_newer=request.exclude_newer.isoformat() if request.exclude_newer else "",
        build_sdists=request.build_sdists,
    )
    answer = conda_lock.ask(Operation.SOLVE_PIP, question, PipAnswer)
    _refuse_clashes(answer, request.spec.pip_lines)
    conda = [
        msgspec.structs.replace(entry, categories=answer.categories.get(entry.name) or ("main",))
        for entry in request.conda
    ]
    return (*conda, *_wheels(answer.packages, request))


def _wheels(packages: Iterable[LockEntry], request: PipRequest) -> Sequence[LockEntry]:
    """The packages with canonical URLs.

    Raises:
        SpecError: One is no wheel, or has no sha256.
    """
    wheels = []
    for entry in packages:
        url = request.mirrors.canonical(entry.url)
        if not url.partition("#")[0].endswith(".whl"):
            only = f"no wheel for {request.platform}, only {without_credentials(url)}"
            if not request.build_sdists:
                raise SpecError(
                    f"{entry.name} {entry.version} has {only}",
                    hint="lock it with conda, or ask for a version with wheels; with"
                    " --build-sdists it is locked for installers that build it",
                )
            # What is built on a node has no digest that could have been locked.
            _log.warning(
                "%s %s has %s; conda-lock installs that, and `lading install` refuses it",
                entry.name,
                entry.version,
                only,
            )
        if not entry.sha256:
            raise SpecError(
                f"the index does not say the sha256 of {entry.name} {entry.version}",
                hint="use an index that does",
            )
        wheels.append(msgspec.structs.replace(entry, url=without_credentials(url)))
    return wheels


def _refuse_clashes(answer: PipAnswer, lines: Sequence[str]) -> None:
    """Refuse a package that would be installed by conda and by pip, one over the other."""
    if not answer.clashes:
        return
    versions = {entry.name: entry.version for entry in answer.packages}
    written_lines = {_name(line): line for line in lines}
    # One that stands in a source can be deleted there; the others come with it.
    pip_name, conda_name = min(answer.clashes, key=lambda clash: clash[0] not in written_lines)
    written = written_lines.get(pip_name, "")
    raise SpecError(
        f"{pip_name} {versions[pip_name]} is asked for from pip, and is there as the conda "
        f"package {conda_name}",
        hint=(
            f"delete `- {written}` below `pip:`, and ask for the version with conda"
            if written
            else f"a pip package needs another version; ask for it with `- {conda_name}`"
        ),
        details=tuple(f"pip {one}, conda {other}" for one, other in answer.clashes),
    )


def _name(requirement: str) -> str:
    """The normalised name of a pip requirement."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]
    return canonicalize_name(name)
