"""A pyproject.toml, checked before conda-lock reads it.

conda-lock takes what it says as it comes: it reads a text as a list of letters, ends with a
traceback at a number, and leaves out silently what it does not know.

Source: conda-lock 4.0.3 `src_parser/pyproject_toml.py`; PEP 621 (`[project]`).
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from lading.conda import Platform, parse_platform
from lading.config import read_toml
from lading.errors import SpecError, raised_as
from lading.lock.requirement import parse_requirement
from lading.system import convert

_WORDS = {
    "array": "a list",
    "object": "a table",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
}
_EXAMPLE = "NAME = '>=1[when=\"python>=3.10\"]'"


class _Project(msgspec.Struct, frozen=True):
    dependencies: tuple[str, ...] | None = None
    optional: dict[str, tuple[str, ...]] = msgspec.field(
        name="optional-dependencies", default_factory=dict
    )


class _CondaLock(msgspec.Struct, frozen=True):
    channels: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    dependencies: dict[str, str | dict[str, object]] = msgspec.field(default_factory=dict)
    repositories: tuple[str, ...] = msgspec.field(name="pip-repositories", default=())


class _Dependencies(msgspec.Struct, frozen=True):
    """Of poetry: name → version, table, or several of them."""

    dependencies: dict[str, object] | None = None


class _Tools(msgspec.Struct, frozen=True):
    conda_lock: _CondaLock = msgspec.field(name="conda-lock", default=_CondaLock())
    poetry: _Dependencies = _Dependencies()
    flit: dict[str, object] | None = None
    pdm: dict[str, object] | None = None


class _Pyproject(msgspec.Struct, frozen=True):
    project: _Project = _Project()
    tool: _Tools = _Tools()
    build: dict[str, object] = msgspec.field(name="build-system", default_factory=dict)


def check_pyproject(path: Path) -> None:
    """Refuse the pyproject.toml at `path` where conda-lock would not say what is wrong."""
    content = read_toml(path)
    try:
        found = convert(content, _Pyproject)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at ")
        words = re.sub(r"`([^`]*)`", lambda match: _in_words(match[1]), message)
        raise SpecError(
            f"{path}: {place.strip('`$.') or 'it'}: {words[:1].lower()}{words[1:]}",
            hint="correct the value named",
        ) from error
    for problem, hint in _problems(found):
        raise SpecError(f"{path}{problem}", hint=hint)


def _in_words(kinds: str) -> str:
    """The kinds of values that msgspec names, for a person."""
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds.split(" | ") if kind != "null")


def _problems(found: _Pyproject) -> Iterator[tuple[str, str]]:
    """(what is wrong, what to do) of each problem; the text follows the path."""
    tool = found.tool
    if found.project.dependencies is None and not (
        isinstance(found.build.get("build-backend"), str)
        and (tool.poetry.dependencies or tool.flit or tool.pdm or tool.conda_lock.dependencies)
    ):
        reason = "no [build-system] of poetry, flit or pdm with a table that lists others"
        yield (
            f" has no `dependencies` under [project], and {reason}",
            "list them under [project], or write an environment.yml",
        )
    listed = itertools.chain(found.project.dependencies or (), *found.project.optional.values())
    for text in listed:
        try:
            parse_requirement(text)
        except SpecError as error:
            yield f": {error.message}", error.hint
    for name, key in _keys(tool.conda_lock.dependencies):
        if key != "source":
            place = "a table of tool.conda-lock.dependencies"
            yield f": `{key}` of {name} is not read in {place}", f"write a text: {_EXAMPLE}"
    for name, key in _keys(tool.poetry.dependencies or {}):
        if key in {"git", "path", "file"}:
            yield (
                f": tool.poetry.dependencies.{name}: a `{key}` has no digest to lock",
                "publish a wheel of it, or name the directory in `projects` in lading.toml",
            )


def _keys(tables: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """(name, key) of each key in those of `tables` that are tables."""
    for name, table in tables.items():
        if isinstance(table, dict):
            yield from ((name, str(key)) for key in table)


def platforms_of_pyproject(path: Path) -> Iterator[Platform]:
    """What `platforms` of `[tool.conda-lock]` in a pyproject.toml names."""
    names: object = read_toml(path)
    for key in ("tool", "conda-lock", "platforms"):
        names = names.get(key, []) if isinstance(names, dict) else []
    with raised_as(
        SpecError,
        f"{path}: tool.conda-lock.platforms",
        'write a list, such as ["linux-64", "osx-arm64"]',
        ValueError,
    ):
        found = [parse_platform(str(name)) for name in (names if isinstance(names, list) else [""])]
    yield from found
