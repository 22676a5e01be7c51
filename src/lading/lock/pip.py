"""The pip part of a lock: solved by conda-lock, on top of the conda packages."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from packaging.utils import NormalizedName, canonicalize_name

from lading.conda import Platform
from lading.errors import SpecError
from lading.lock.exchange import Operation, OwnWheel, PipAnswer, PipQuestion
from lading.lock.model import MAIN, LockedPackage
from lading.lock.own_wheels import LockableWheel
from lading.lock.request import LockRequest, PlatformPlan
from lading.lock.requested import MAPPING
from lading.lock.requirement import requirement_name
from lading.system import without_credentials

PYTHON = "python"

_log = logging.getLogger(__name__)


def solve_pip(
    request: LockRequest,
    plan: PlatformPlan,
    conda: tuple[LockedPackage, ...],
    own: Mapping[NormalizedName, LockableWheel],
) -> tuple[LockedPackage, ...]:
    """The conda packages, categories completed, and the pip packages that belong to them.

    Args:
        request: What to lock.
        plan: For which platform.
        conda: Its conda packages.
        own: The wheels of the project's own code.

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
        # What has a place of its own needs no pin.
        locked=tuple(item for item in plan.pip_pins if canonicalize_name(item.name) not in own),
        own=tuple(
            OwnWheel(
                name=item.name,
                path=str(own[item.name].path),
                extras=item.extras,
                category=item.category,
            )
            for item in plan.requested.own
        ),
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
    wheels = (_wheel(item, request, platform, own) for item in answer.packages)
    return (*completed, *wheels)


def _wheel(
    item: LockedPackage,
    request: LockRequest,
    platform: Platform,
    own: Mapping[NormalizedName, LockableWheel],
) -> LockedPackage:
    """The package with its canonical URL.

    Raises:
        SpecError: It is not a wheel.
    """
    known = own.get(canonicalize_name(item.name))
    if known is not None:
        return replace(item, url=known.url, sha256=known.sha256)
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
