"""The pip part of a lock: solved by conda-lock, on top of the conda packages."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote

import msgspec
from packaging.utils import NormalizedName, canonicalize_name

from lading.errors import SpecError
from lading.lock.exchange import (
    Operation,
    OwnWheel,
    PackageIndex,
    PipAnswer,
    PipQuestion,
    PipSearch,
)
from lading.lock.model import MAIN, LockedPackage
from lading.lock.own_code import is_own_code
from lading.lock.own_wheels import LockableWheel, last_build, lockable, refuse_other_platform
from lading.lock.request import LockRequest, PlatformPlan
from lading.lock.requested import MAPPING, Requested
from lading.lock.requirement import requirement_name
from lading.lock.side_list import Built
from lading.system import without_credentials

PYTHON = "python"

BUILD_HINT = "let lading build a wheel of it, which runs its code, with --build-sdists"


def solve_pip(
    request: LockRequest,
    plan: PlatformPlan,
    conda: tuple[LockedPackage, ...],
    own: Mapping[NormalizedName, LockableWheel],
) -> tuple[tuple[LockedPackage, ...], Mapping[NormalizedName, Built]]:
    """Solve the pip part; build the wheels of what has only source distributions.

    Returns:
        The conda packages, categories completed, and the pip packages that belong to them; and how
        the wheels among these were built that were built for this lock.
    """
    if all(item.name != PYTHON for item in conda):
        raise SpecError(
            "pip packages are asked for, but no python", hint="add `- python` to the dependencies"
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
        search=_search(request, plan.requested),
        exclude_newer=request.exclude_newer.isoformat() if request.exclude_newer else "",
        build_sdists=request.build_sdists,
    )
    answer = request.conda_lock.ask(Operation.SOLVE_PIP, question, PipAnswer)
    _refuse_clashes(answer, plan.requested.pip)
    completed = (
        replace(item, categories=answer.categories.get(item.name) or (MAIN,)) for item in conda
    )
    packages, built = [*completed], {}
    for item in answer.packages:
        name = canonicalize_name(item.name)
        url = without_credentials(request.mirrors.canonical(item.url))
        wheel = own.get(name) or _wheel_in_project(item, request)
        if wheel is None and not url.partition("#")[0].endswith(".whl"):
            wheel = _built_sdist(replace(item, url=url), request, plan)
        if wheel is None:
            packages.append(replace(item, url=url))
            continue
        packages.append(replace(item, url=wheel.url, sha256=wheel.sha256))
        if wheel.built is not None:
            built[name] = wheel.built
    return tuple(packages), built


def _wheel_in_project(item: LockedPackage, request: LockRequest) -> LockableWheel | None:
    """The wheel of a directory of the project, which a source names with `--find-links`."""
    inside = f"{request.project.as_uri()}/"
    if not item.url.startswith(inside) or not item.url.endswith(".whl"):
        return None
    path = request.project / unquote(item.url.removeprefix(inside))
    return lockable(path, item.sha256, request.project)


def _search(request: LockRequest, requested: Requested) -> PipSearch:
    """Where the pip part is looked for, and what else the options of the sources say.

    Indexes of the settings come first, then those of the sources, then the one for all else.
    """
    said = [options for _, options in requested.options]
    pip = requested.pip_requirements
    further = (*(url for options in said for url in options.extra_indexes), *pip.repositories)
    default = [request.pip_index] if request.pip_index else []
    opened = request.opened
    return PipSearch(
        indexes=(
            *(msgspec.structs.replace(item, url=opened(item.url)) for item in request.indexes),
            *(PackageIndex(url=opened(url)) for url in dict.fromkeys((*further, *default))),
        ),
        allow_pypi=pip.allow_pypi and not default and all(item.allow_index for item in said),
        find_links=tuple(opened(place) for options in said for place in options.find_links),
        lines=tuple(
            (line, category)
            for category, options in requested.options
            for line, _ in options.lines
            if not is_own_code(line)
        ),
        constraints=tuple(text for options in said for text in options.constraints),
        prereleases=any(options.prereleases for options in said),
        credentials=tuple(item for item in request.mirrors.credentials if item.bearer),
    )


def _built_sdist(item: LockedPackage, request: LockRequest, plan: PlatformPlan) -> LockableWheel:
    """The wheel that is built of a package that has only a source distribution."""
    if request.builder is None or not request.build_sdists:
        raise SpecError(
            f"{item.name} {item.version} has no wheel for {plan.solve.platform}, only {item.url}",
            hint=f"{BUILD_HINT}, lock it with conda, or ask for a version with wheels",
        )
    source = request.builder.sdist(canonicalize_name(item.name), item.url, item.sha256)
    is_free = request.update_all or item.name in request.update
    locks = () if is_free or plan.before is None else (plan.before,)
    before = last_build(source.name, locks, request.project)
    wheel = request.builder.build(source, before)
    refuse_other_platform(wheel.path, plan.solve.platform)
    return lockable(wheel.path, wheel.sha256, request.project, wheel.built)


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
