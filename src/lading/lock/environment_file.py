"""Environment files, checked as a whole before anything else reads them.

conda-lock owns their meaning; it reads what it needs and is silent about the rest. This module says
what is wrong with a file, all of it at once, each problem with its place:
`environment.yml: dependencies[3]: ...`.

A selector (`- libfoo  # [linux]`) says for which platforms a line is; a file is checked with the
lines of all platforms, and `EnvironmentFile.on` gives what holds on one.

Source: CEP 24 (environment.yml), conda-lock 4.0.3 `src_parser/environment_yaml.py` and
`src_parser/selectors.py`, which knows no expressions, only these words.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lading.conda import MatchSpec, Platform, parse_matchspec, parse_platform
from lading.errors import SpecError
from lading.system import YamlError, parse_yaml, read_document, without_credentials

__all__ = ["EnvironmentFile", "read_environment"]

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

_SELECTORS = {
    Platform.LINUX_64: {"linux64", "unix", "linux"},
    Platform.LINUX_AARCH64: {"aarch64", "unix", "linux"},
    Platform.LINUX_PPC64LE: {"ppc64le", "unix", "linux"},
    Platform.OSX_64: {"osx64", "osx", "unix"},
    Platform.OSX_ARM64: {"arm64", "osx", "unix"},
    Platform.WIN_64: {"win", "win64"},
}
_SELECTOR = re.compile(r"(.+?)\s*(#.*)\[([^\[\]]+)\](?(2)[^()]*)$")
_LOCAL_PIP = re.compile(r"(-e\b|--editable\b|\.{0,2}/|~/|file:|.+@\s*(file:|\.{0,2}/))")
_PIP_OPTION = re.compile(r"--?\w")
_READABLE = "name a readable file"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFile:
    """The content of one environment file.

    Attributes:
        path: Where it was read.
        text: What it says, for `on`; in no `repr`.
        name: Name of the environment, may be empty.
        channels: As written, in order of priority, without `nodefaults` and without credentials.
        platforms: Those the file names, may be empty.
        category: Of its dependencies; `main` unless it says otherwise.
        specs: The conda packages it asks for, in its order.
        pip: The pip requirements it asks for, in its order, as written.
        variables: Environment variables to set on activation.
        channels_as_written: With the credentials that may stand in them; in no `repr`.
    """

    path: Path
    text: str = field(default="", repr=False)
    name: str = ""
    channels: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    category: str = "main"
    specs: tuple[MatchSpec, ...] = ()
    pip: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    channels_as_written: tuple[str, ...] = field(default=(), repr=False)

    def on(self, platform: Platform) -> "EnvironmentFile":
        """What holds on `platform`: the file without the lines for others.

        Raises:
            SpecError: There is a selector, and none is known for `platform`; or what is left is
                wrong.
        """
        selected = _selected_lines(self.text, platform)
        return self if selected is None else _parse(self.path, "\n".join(selected), self.text)


def read_environment(path: Path) -> EnvironmentFile:
    """The environment file at `path`, with the lines of all platforms.

    Raises:
        SpecError: It is missing, empty, not YAML, not a mapping, or anything in it is wrong; one
            problem is the message, several are the `details`.
    """
    try:
        text = read_document(path).decode()
    except FileNotFoundError as error:
        raise SpecError(
            f"there is no environment file {path}", hint="name it, or write one with `dependencies`"
        ) from error
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}", hint=_READABLE) from error
    except UnicodeDecodeError as error:
        raise SpecError(f"cannot read {path}: it is not UTF-8 text", hint=_READABLE) from error
    except YamlError as error:
        raise SpecError(f"cannot read {path}: {error}", hint=_READABLE) from error
    return _parse(path, text, text)


def _selected_lines(text: str, platform: Platform) -> list[str] | None:
    """The lines of `text` that are for `platform`, without comments; None without any selector.

    Raises:
        SpecError: There is a selector, and none is known for `platform`.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    selectors = {line: match[3] for line in lines if (match := _SELECTOR.match(line))}
    if not selectors:
        return None
    if platform not in _SELECTORS:
        raise SpecError(
            f"there are no selectors for {platform}: {next(iter(selectors)).strip()}",
            hint="write the line into a source of its own",
        )
    known = _SELECTORS[platform]
    return [line for line in lines if line not in selectors or selectors[line] in known]


def _parse(path: Path, selected: str, text: str) -> EnvironmentFile:
    """The file at `path`, of which `selected` is looked at; `text` is all of it."""
    reader = _Reader(_parse_mapping(path, selected))
    channels = reader.texts("channels")
    result = EnvironmentFile(
        path=path,
        text=text,
        name=reader.text("name"),
        channels=tuple(without_credentials(item) for item in channels if item != NO_DEFAULTS),
        platforms=reader.platforms(),
        category=reader.text("category") or "main",
        specs=reader.specs(),
        pip=reader.pip(),
        variables=reader.variables(),
        channels_as_written=channels,
    )
    reader.check_the_rest()
    if reader.problems:
        raise _problems(path, reader.problems)
    return result


def _parse_mapping(path: Path, text: str) -> Mapping[object, object]:
    try:
        content = parse_yaml(text)
    except YamlError as error:
        raise SpecError(
            f"{path} is not valid YAML: {error}", hint="correct the line named"
        ) from error
    if content is None:
        raise SpecError(f"{path} is empty", hint="list packages under `dependencies:`")
    if not isinstance(content, dict):
        raise SpecError(
            f"{path} holds a {_kind(content)}, not a mapping",
            hint="an environment file has keys such as `channels:` and `dependencies:`",
        )
    return content


class _Reader:
    """Reads the fields of one file and collects what is wrong."""

    def __init__(self, content: Mapping[object, object]) -> None:
        """A reader of `content`, without problems so far."""
        self.problems: list[str] = []
        self._content = content

    def text(self, key: str) -> str:
        """A string field, empty where it is absent."""
        value = self._content.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.problems.append(f"{key}: a {_kind(value)} stands where a text is expected")
            return ""
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A field that lists strings, empty where it is absent."""
        value = self._content.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.problems.append(f"{key}: a {_kind(value)} stands where a list is expected")
            return ()
        return tuple(self._strings(key, value))

    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that the file names."""
        return tuple(self._parsed("platforms", self.texts("platforms"), parse_platform))

    def specs(self) -> tuple[MatchSpec, ...]:
        """The conda dependencies."""
        if "dependencies" not in self._content:
            self.problems.append("dependencies: missing")
        value = self._content.get("dependencies")
        if value is None:
            if "dependencies" in self._content:
                self.problems.append("dependencies: empty")
            return ()
        if not isinstance(value, list):
            self.problems.append(f"dependencies: a {_kind(value)} stands where a list is expected")
            return ()
        found: list[MatchSpec] = []
        for index, item in enumerate(value):
            place = f"dependencies[{index}]"
            if isinstance(item, str):
                found.extend(self._parsed(place, (item,), parse_matchspec, single=True))
            elif not isinstance(item, dict) or list(item) != ["pip"]:
                self.problems.append(
                    f"{place}: a {_kind(item)} stands where a MatchSpec or `pip:` is expected"
                )
        return tuple(found)

    def pip(self) -> tuple[str, ...]:
        """The requirements below every `pip:`."""
        found: list[str] = []
        for place, value in self._pip_sections():
            if value is None:
                continue
            if not isinstance(value, list):
                self.problems.append(f"{place}: a {_kind(value)} stands where a list is expected")
                continue
            for index, item in enumerate(self._strings(place, value)):
                reason = _refused_requirement(item)
                if reason:
                    self.problems.append(f"{place}[{index}]: {item}: {reason}")
                found.append(item)
        return tuple(found)

    def variables(self) -> Mapping[str, str]:
        """Name → value of the variables to set."""
        value = self._content.get("variables")
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.problems.append(f"variables: a {_kind(value)} stands where a mapping is expected")
            return {}
        result: dict[str, str] = {}
        for name, content in value.items():
            if not isinstance(name, str) or isinstance(content, list | dict | None):
                self.problems.append(f"variables.{name}: it is no text")
            else:
                result[name] = str(content)
        return result

    def check_the_rest(self) -> None:
        """Collect unknown keys, and known ones of a wrong type that have no reader."""
        for key in self._content:
            if key in KEYS:
                continue
            near = difflib.get_close_matches(str(key), KEYS, n=1)
            guess = f", did you mean `{near[0]}`?" if near else f"; known are {', '.join(KEYS)}"
            self.problems.append(f"unknown key `{key}`{guess}")
        self.texts("pip-repositories")
        self.text("prefix")
        if not isinstance(self._content.get("allow-pypi-requests", True), bool):
            self.problems.append("allow-pypi-requests: write true or false")

    def _strings(self, place: str, values: list[object]) -> Iterator[str]:
        for index, item in enumerate(values):
            if isinstance(item, str) and item.strip():
                yield item
            else:
                self.problems.append(
                    f"{place}[{index}]: a {_kind(item)} stands where a text is expected"
                )

    def _parsed(
        self,
        place: str,
        texts: tuple[str, ...],
        parse: Callable[[str], Value],
        *,
        single: bool = False,
    ) -> Iterator[Value]:
        for index, text in enumerate(texts):
            try:
                yield parse(text)
            except (SpecError, ValueError) as error:
                self.problems.append(f"{place}{'' if single else f'[{index}]'}: {error}")

    def _pip_sections(self) -> Iterator[tuple[str, object]]:
        value = self._content.get("dependencies")
        for index, item in enumerate(value if isinstance(value, list) else ()):
            if isinstance(item, dict) and "pip" in item:
                yield f"dependencies[{index}].pip", item["pip"]


def _refused_requirement(text: str) -> str:
    """Why a pip requirement cannot be locked, or empty."""
    if _LOCAL_PIP.match(text.strip()):
        return "a local or editable package has no digest to lock; build a wheel and publish it"
    if _PIP_OPTION.match(text.strip()):
        return "options of pip are not read; write the requirements themselves"
    return ""


def _kind(value: object) -> str:
    """The kind of a YAML value, for a person."""
    match value:
        case None | "":
            return "void"
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case list():
            return "list"
        case dict():
            return "mapping"
        case _:
            return "text" if isinstance(value, str) else type(value).__name__


def _problems(path: Path, problems: list[str]) -> SpecError:
    lines = tuple(f"{path}: {problem}" for problem in problems)
    if len(lines) == 1:
        return SpecError(lines[0], hint="correct this line")
    return SpecError(
        f"{path} has {len(lines)} problems", hint="correct the lines named", details=lines
    )
