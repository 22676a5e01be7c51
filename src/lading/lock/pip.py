"""The pip part of a lock: solved by conda-lock, on top of the conda packages."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from lading.conda import Platform
from lading.errors import SpecError
from lading.lock.exchange import Operation, PipAnswer, PipQuestion
from lading.lock.model import MAIN, LockedPackage
from lading.lock.request import LockRequest, PlatformPlan
from lading.lock.requested import MAPPING
from lading.lock.requirement import requirement_name
from lading.system import without_credentials

PYTHON = "python"

_log = logging.getLogger(__name__)


def solve_pip(
    request: LockRequest, plan: PlatformPlan, conda: tuple[LockedPackage, ...]
) -> tuple[LockedPackage, ...]:
    """The conda packages, categories completed, and the pip packages that belong to them.

    Raises:
        SpecError: There is no Python, a package has no wheel, or one is there as conda package.
        SolveError: There is no solution.
        FetchError: The package index could not be read.
    """
    if all(item.name != PYTHON for item in conda):
        raise SpecError(
            "pip packages are asked for, but no python",
            hint="add `- python` to the dependencies",
        )
    question = PipQuestion(
        pip=plan.requested.pip_requirements,
        platform=plan.solve.platform.value,
        virtual_packages=plan.solve.virtual_packages,
        mapping=str(MAPPING),
        conda=conda,
        locked=plan.pip_pins,
        update=tuple(sorted(request.update)),
        index=request.pip_index,
        exclude_newer=request.exclude_newer.isoformat() if request.exclude_newer else "",
        build_sdists=request.build_sdists,
    )
    answer = request.conda_lock.ask(Operation.SOLVE_PIP, question, PipAnswer)
    _refuse_clashes(answer, plan.requested.pip)
    completed = (
        replace(item, categories=answer.categories.get(item.name) or (MAIN,)) for item in conda
    )
    platform = plan.solve.platform
    return (*completed, *(_wheel(item, request, platform) for item in answer.packages))


def _wheel(item: LockedPackage, request: LockRequest, platform: Platform) -> LockedPackage:
    """The package with its canonical URL.

    Raises:
        SpecError: It is not a wheel.
    """
    url = without_credentials(request.mirrors.canonical(item.url))
    if not url.partition("#")[0].endswith(".whl"):
        only = f"no wheel for {platform}, only {url}"
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
