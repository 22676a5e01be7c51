"""The pip part of a lock: solved by conda-lock, on top of the conda packages."""

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lading.conda import MirrorMap, Platform, VirtualPackage
from lading.errors import SpecError
from lading.lock.exchange import Operation, PipAnswer, PipQuestion
from lading.lock.isolation import CondaLock
from lading.lock.model import MAIN, LockedPackage
from lading.lock.requested import MAPPING, Requested
from lading.lock.requirement import requirement_name
from lading.system import without_credentials

__all__ = ["PipRequest", "solve_pip"]

PYTHON = "python"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipRequest:
    """Solve the pip part of one platform.

    Attributes:
        conda: The conda packages that are there already.
        pins: pip packages to keep where they still satisfy the sources.
        update: Names of `pins` to move.
        index: URL of the package index to ask instead of PyPI, or empty.
        mirrors: Mapped out of the URLs of the answer.
        exclude_newer: Files uploaded after it do not exist; aware, or None.
        build_sdists: Whether source distributions may be built and locked.
    """

    requested: Requested
    platform: Platform
    virtual_packages: tuple[VirtualPackage, ...]
    conda: tuple[LockedPackage, ...]
    pins: tuple[LockedPackage, ...]
    update: frozenset[str]
    index: str
    mirrors: MirrorMap
    exclude_newer: dt.datetime | None = None
    build_sdists: bool = False


def solve_pip(conda_lock: CondaLock, request: PipRequest) -> tuple[LockedPackage, ...]:
    """The conda packages, categories completed, and the pip packages that belong to them.

    Raises:
        SpecError: There is no Python, a package has no wheel, or one is there as conda package.
        SolveError: There is no solution.
        FetchError: The package index could not be read.
    """
    if all(item.name != PYTHON for item in request.conda):
        raise SpecError(
            "pip packages are asked for, but no python",
            hint="add `- python` to the dependencies",
        )
    question = PipQuestion(
        pip=request.requested.pip_requirements,
        platform=request.platform.value,
        virtual_packages=request.virtual_packages,
        mapping=str(MAPPING),
        conda=request.conda,
        locked=request.pins,
        update=tuple(sorted(request.update)),
        index=request.index,
        exclude_newer=request.exclude_newer.isoformat() if request.exclude_newer else "",
        build_sdists=request.build_sdists,
    )
    answer = conda_lock.ask(Operation.SOLVE_PIP, question, PipAnswer)
    _refuse_clashes(answer, request.requested.pip)
    conda = (
        replace(item, categories=answer.categories.get(item.name) or (MAIN,))
        for item in request.conda
    )
    return (*conda, *(_wheel(item, request) for item in answer.packages))


def _wheel(item: LockedPackage, request: PipRequest) -> LockedPackage:
    """The package with its canonical URL.

    Raises:
        SpecError: It is not a wheel.
    """
    url = without_credentials(request.mirrors.canonical(item.url))
    if not url.partition("#")[0].endswith(".whl"):
        only = f"no wheel for {request.platform}, only {url}"
        if not request.build_sdists:
            raise SpecError(
                f"{item.name} {item.version} has {only}",
                hint="lock it with conda, or ask for a version with wheels; with"
                " --build-sdists it is locked for installers that build it",
            )
        # What is built on a node has no digest that could have been locked.
        _log.warning(
            "%s %s has %s; conda-lock installs that, and `lading install` refuses it",
            item.name,
            item.version,
            only,
        )
    return replace(item, url=url)


def _refuse_clashes(answer: PipAnswer, lines: Sequence[str]) -> None:
    """Refuse a package that would be installed by conda and by pip, one over the other."""
    if not answer.clashes:
        return
    versions = {item.name: item.version for item in answer.packages}
    written_lines = {str(requirement_name(line)): line for line in lines}
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
