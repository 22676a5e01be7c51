"""Environment files, checked as a whole before anything else reads them.

conda-lock owns their meaning; it reads what it needs and is silent about the rest. This module says
what is wrong with a file, all of it at once, each problem with its place:
`environment.yml: dependencies[3]: ...`.

A selector (`- libfoo  # [linux]`) says for which platforms a line is; a file is checked with the
lines of all platforms, and `EnvironmentFile.on` gives what holds on one.

Source: CEP 24 (environment.yml), conda-lock 4.0.3 `src_parser/environment_yaml.py`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from lading.conda import (
    MatchSpec,
    Platform,
    is_environment_name,
    is_variable_name,
    parse_matchspec,
    parse_platform,
)
from lading.errors import SpecError, raised_as
from lading.lock.own_code import OwnPackage, is_own_code, parse_own_code
from lading.lock.pip_options import PipOptions, is_pip_option, read_options
from lading.lock.requirement import parse_requirement
from lading.lock.selectors import has_selectors, selected_lines
from lading.system import YamlError, nearest, parse_yaml, read_document, redact, without_credentials

NO_DEFAULTS = "nodefaults"

Value = TypeVar("Value")

KEYS = (
    "name",
    "channels",
    "dependencies",
    "platforms",
    "category",
    "variables",
    "prefix",
    "pip-repositories",
    "allow-pypi-requests",
)

_BARE_URL = re.compile(r"\w+://")
_REPOSITORY = re.compile(r"((-e|--editable)[\s=]+|[\w.,\[\]-]+\s*@\s*)?(git|hg|svn|bzr)\+")
_READABLE = "name a readable file"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFile:
    """The content of one environment file.

    Attributes:
        directory: What paths in it are relative to, absolute.
        text: What it says, for `on`; in no `repr`.
        name: Name of the environment, may be empty.
        channels: As written, in order of priority, without `nodefaults` and without credentials.
        platforms: Those the file names, may be empty.
        category: Of its dependencies; `main` unless it says otherwise.
        specs: The conda packages it asks for, in its order.
        pip: The pip requirements it asks for, in its order, as written.
        own: The wheels and source trees that it asks for by their paths, in its order.
        channels_as_written: With the credentials that may stand in them; in no `repr`.
    """

    path: Path
    directory: Path = Path()
    text: str = field(default="", repr=False)
    name: str = ""
    channels: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    category: str = "main"
    specs: tuple[MatchSpec, ...] = ()
    pip: tuple[str, ...] = ()
    own: tuple[OwnPackage, ...] = ()
    pip_options: PipOptions = field(default_factory=PipOptions)
    variables: Mapping[str, str] = field(default_factory=dict)
    channels_as_written: tuple[str, ...] = field(default=(), repr=False)

    def on(self, platform: Platform) -> "EnvironmentFile":
        """What holds on `platform`: the file without the lines for others."""
        if not has_selectors(self.text):
            return self
        try:
            selected = "\n".join(selected_lines(self.text, platform))
        except SpecError as error:
            raise SpecError(f"{self.path}: {error.message}", hint=error.hint) from error
        return _parse(self.path, self.directory, selected, self.text)


def read_environment(path: Path, directory: Path | None = None) -> EnvironmentFile:
    """The environment file at `path`, with the lines of all platforms.

    Paths in it are relative to `directory`, absolute; None means where it lies.
    """
    try:
        text = read_document(path).decode()
    except FileNotFoundError as error:
        raise SpecError(
            f"{path}: no such file", hint="name an environment file, or write it"
        ) from error
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}", hint=_READABLE) from error
    except UnicodeDecodeError as error:
        raise SpecError(f"cannot read {path}: it is not UTF-8 text", hint=_READABLE) from error
    except YamlError as error:
        raise SpecError(f"cannot read {path}: {error}", hint=_READABLE) from error
    return _parse(path, directory or path.parent, text, text)


def _parse(path: Path, directory: Path, selected: str, text: str) -> EnvironmentFile:
    """The file at `path`, of which `selected` is looked at; `text` is all of it."""
    reader = _Reader(_parse_mapping(path, selected))
    category = reader.text("category") or "main"
    options = read_options(reader.pip_lines(), directory, reader.problem)
    options.extra_indexes += reader.texts("pip-repositories")
    pip = [(at, text, directory) for at, text in reader.pip_lines() if not is_pip_option(text)]
    pip += [(str(at), text, at) for text, at in options.lines if not reader.refused(at, text)]
    result = EnvironmentFile(
        path=path,
        directory=directory,
        text=text,
        name=reader.name(),
        channels=tuple(
            item for item in reader.parsed("channels", without_credentials) if item != NO_DEFAULTS
        ),
        platforms=reader.parsed("platforms", parse_platform),
        category=category,
        specs=reader.specs(),
        pip=tuple(redact(text) for _, text, _ in pip if not is_own_code(text)),
        own=tuple(replace(item, category=category) for item in reader.own(pip)),
        pip_options=options,
        variables=reader.variables(),
        channels_as_written=reader.texts("channels"),
    )
    reader.check_the_rest()
    if reader.problems:
        # Channels and pip lines are read twice.
        raise _problems(path, list(dict.fromkeys(reader.problems)))
    return result


def _parse_mapping(path: Path, text: str) -> Mapping[object, object]:
    with raised_as(SpecError, f"{path} is not valid YAML", "correct the line named", YamlError):
        content = parse_yaml(text)
    if content is None:
        raise SpecError(f"{path} is empty", hint="list packages under `dependencies:`")
    if not isinstance(content, dict):
        raise SpecError(
            f"{path} holds {_kind(content)}, not a mapping",
            hint="an environment file has keys such as `channels:` and `dependencies:`",
        )
    return content


class _Reader:
    """Reads the fields of one file and collects what is wrong."""

    def __init__(self, content: Mapping[object, object]) -> None:
        self.problems: list[str] = []
        self._content = content

    def text(self, key: str) -> str:
        """A string field, empty where it is absent."""
        value = self._content.get(key)
        if value is None or isinstance(value, str):
            return value or ""
        self._wrong(key, value, "a text")
        return ""

    def name(self) -> str:
        """The name of the environment, empty where it is absent."""
        name = self.text("name")
        if name and not is_environment_name(name):
            self.problems.append(f"name: {name!r} cannot name an environment")
        return name

    def texts(self, key: str) -> tuple[str, ...]:
        """A field that lists strings, empty where it is absent."""
        return tuple(text for _, text in self._strings(key, self._content.get(key)))

    def parsed(self, key: str, parse: Callable[[str], Value]) -> tuple[Value, ...]:
        """A field that lists values written as strings, empty where it is absent."""
        items = self._strings(key, self._content.get(key))
        return tuple(value for place, text in items for value in self._try(place, text, parse))

    def specs(self) -> tuple[MatchSpec, ...]:
        """The conda dependencies."""
        if self._content.get("dependencies") is None:
            state = "empty" if "dependencies" in self._content else "missing"
            self.problems.append(f"dependencies: {state}")
        found: list[MatchSpec] = []
        for place, item in self._items("dependencies", self._content.get("dependencies")):
            if isinstance(item, str):
                found.extend(self._try(place, item, _parse_spec))
            elif not isinstance(item, dict) or list(item) != ["pip"]:
                self._wrong(place, item, "a MatchSpec or `pip:`")
        return tuple(found)

    def pip_lines(self) -> Iterator[tuple[str, str]]:
        """(place, line) of what stands below every `pip:`."""
        value = self._content.get("dependencies")
        for index, item in enumerate(value if isinstance(value, list) else ()):
            if isinstance(item, dict) and "pip" in item:
                for place, text in self._strings(f"dependencies[{index}].pip", item["pip"]):
                    reason = _refused_requirement(text)
                    if reason:
                        self.problems.append(f"{place}: {text}: {reason}")
                    yield place, text

    def own(self, lines: Iterable[tuple[str, str, Path]]) -> Iterator[OwnPackage]:
        """The wheels and source trees among pip lines: (place, line, what its path begins at)."""
        for place, text, directory in lines:
            if is_own_code(text) and not _refused_requirement(text):
                yield from self._try(place, text, partial(parse_own_code, directory=directory))

    def problem(self, place: str, message: str) -> None:
        """Collect what is wrong at `place`."""
        self.problems.append(f"{place}: {message}")

    def refused(self, place: Path, text: str) -> bool:
        """Whether a line of a requirements file in the directory `place` cannot be locked."""
        reason = _refused_requirement(text)
        if reason:
            self.problem(str(place), f"{text}: {reason}")
        return bool(reason)

    def variables(self) -> Mapping[str, str]:
        """Name → value of the variables to set."""
        value = self._content.get("variables")
        if value is not None and not isinstance(value, dict):
            self._wrong("variables", value, "a mapping")
        result: dict[str, str] = {}
        for name, content in value.items() if isinstance(value, dict) else ():
            if not isinstance(name, str) or not is_variable_name(name):
                self.problems.append(f"variables: {name!r}: names are letters, digits and _")
            elif isinstance(content, list | dict | None):
                self._wrong(f"variables.{name}", content, "a text")
            else:
                result[name] = str(content)
        return result

    def check_the_rest(self) -> None:
        """Collect unknown keys, and known ones of a wrong type that have no reader."""
        for key in self._content:
            if key in KEYS:
                continue
            near = nearest(str(key), KEYS)
            guess = f", did you mean `{near[0]}`?" if near else f"; known are {', '.join(KEYS)}"
            self.problems.append(f"unknown key `{key}`{guess}")
        self.texts("pip-repositories")
        self.text("prefix")
        if not isinstance(self._content.get("allow-pypi-requests", True), bool):
            self.problems.append("allow-pypi-requests: write true or false")

    def _items(self, place: str, value: object) -> Iterator[tuple[str, object]]:
        """(place, item) of a list, of nothing where it is absent."""
        if isinstance(value, list):
            yield from ((f"{place}[{index}]", item) for index, item in enumerate(value))
        elif value is not None:
            self._wrong(place, value, "a list")

    def _strings(self, place: str, value: object) -> Iterator[tuple[str, str]]:
        for where, item in self._items(place, value):
            if not isinstance(item, str) or not item.strip():
                self._wrong(where, item, "a text")
            elif not item.isprintable():
                self.problems.append(f"{where}: it holds control characters")
            else:
                yield where, item

    def _try(self, place: str, text: str, parse: Callable[[str], Value]) -> Iterator[Value]:
        try:
            yield parse(text)
        except (SpecError, ValueError) as error:
            self.problems.append(f"{place}: {error}")

    def _wrong(self, place: str, value: object, expected: str) -> None:
        self.problems.append(f"{place}: {_kind(value)} stands where {expected} is expected")


def _parse_spec(text: str) -> MatchSpec:
    if not text.isprintable():
        raise SpecError("it holds control characters", hint="delete them")
    return parse_matchspec(text)


def _refused_requirement(text: str) -> str:
    """Why a pip requirement cannot be locked, or empty."""
    text = text.strip()
    if _REPOSITORY.match(text):
        return "a repository has no digest to lock; build a wheel and publish it"
    if is_own_code(text):
        return ""
    if is_pip_option(text):
        return ""
    if _BARE_URL.match(text):
        return "a URL has no name; write NAME @ URL"
    try:
        parse_requirement(text)
    except SpecError as error:
        return error.message
    return ""


def _kind(value: object) -> str:
    """The kind of a YAML value, for a person."""
    match value:
        case None | "":
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return f"a {'text' if isinstance(value, str) else type(value).__name__}"


def _problems(path: Path, problems: list[str]) -> SpecError:
    # What is wrong may be a URL with a password in it.
    lines = tuple(f"{path}: {redact(problem)}" for problem in problems)
    if len(lines) == 1:
        return SpecError(lines[0], hint="correct this line")
    return SpecError(
        f"{path} has {len(lines)} problems", hint="correct the lines named", details=lines
    )
