"""Options of pip among requirements: indexes, constraints, files of further requirements.

Understood are, below `pip:` and in the files that `-r` names: `-r`, `-c`, `-i`/`--index-url`,
`--extra-index-url`, `-f`/`--find-links`, `--no-index`, `--pre`. Paths are relative to the file that
names them. Whatever else begins with a dash is refused.

Source: pip's "requirements file format".
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lading.errors import SpecError, raised_as
from lading.lock.requirement import parse_requirement
from lading.system import YamlError, read_document, without_credentials

_OPTION = re.compile(r"(--?[A-Za-z][\w-]*)(?:[\s=]+(.*))?$")
_COMMENT = re.compile(r"(^|\s+)#.*$")

NAMES = {"-r": "--requirement", "-c": "--constraint", "-i": "--index-url", "-f": "--find-links"}
FLAGS = ("--pre", "--no-index")
KNOWN = (*NAMES.values(), "--extra-index-url", *FLAGS)

DEEPEST = 10
"""How many files may name each other, one the next."""


@dataclass(slots=True, kw_only=True)
class PipOptions:
    """What the options say.

    Attributes:
        lines: Further requirements, from the files that `-r` names, each with its directory.
        constraints: Requirements that hold where their package is needed.
        index_url: Instead of PyPI, as written; or empty.
        extra_indexes: In their order, as written.
        find_links: URLs of pages, and absolute directories.
        allow_index: Whether any index may be asked.
        prereleases: Whether these are as good as others.
    """

    lines: list[tuple[str, Path]] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    index_url: str = field(default="", repr=False)
    extra_indexes: list[str] = field(default_factory=list, repr=False)
    find_links: list[str] = field(default_factory=list, repr=False)
    allow_index: bool = True
    prereleases: bool = False

    def read(self, line: str, directory: Path, depth: int = 0) -> None:
        """Take up an option.

        For `line`, `is_pip_option` holds. Paths in it are relative to `directory`, absolute;
        `depth` is how many files named each other so far.
        """
        name, value = _split(line)
        if name not in KNOWN:
            raise SpecError(
                f"the option {name} of pip is not understood; known are {', '.join(KNOWN)}"
            )
        if (name in FLAGS) == bool(value):
            raise SpecError(f"{name} {'takes no value' if value else 'needs a value'}")
        match name:
            case "--requirement":
                self._read_requirements(directory / value, depth)
            case "--constraint":
                self.constraints += map(str, map(parse_requirement, _lines_of(directory / value)))
            case "--find-links":
                self.find_links.append(value if "://" in value else str(directory / value))
            case "--pre":
                self.prereleases = True
            case "--no-index":
                self.allow_index = False
            case _:
                self._set_index(name, value)

    def _set_index(self, name: str, url: str) -> None:
        # A malformed one is refused here, where it has a place.
        without_credentials(url)
        if name == "--index-url":
            self.index_url = url
        else:
            self.extra_indexes.append(url)

    def _read_requirements(self, path: Path, depth: int) -> None:
        if depth > DEEPEST:
            raise SpecError(f"{path} is named by itself")
        for text in _lines_of(path):
            if is_pip_option(text):
                self.read(text, path.parent, depth + 1)
            else:
                self.lines.append((text, path.parent))


def is_pip_option(line: str) -> bool:
    """Whether a line below `pip:` is an option; `-e` is none, it asks for a package."""
    return _OPTION.match(line.strip()) is not None and not line.strip().startswith(
        ("-e ", "-e=", "--editable")
    )


def read_options(
    lines: Iterable[tuple[str, str]], directory: Path, problem: Callable[[str, str], None]
) -> PipOptions:
    """Read the options among `lines`, each with its place; what is wrong goes to `problem`."""
    options = PipOptions()
    for place, line in lines:
        if is_pip_option(line):
            try:
                options.read(line, directory)
            except SpecError as error:
                problem(place, error.message)
    return options


def _split(line: str) -> tuple[str, str]:
    found = _OPTION.match(_COMMENT.sub("", line.strip()))
    if found is None:
        return line.strip(), ""
    return NAMES.get(found[1], found[1]), (found[2] or "").strip()


def _lines_of(path: Path) -> Iterator[str]:
    """The lines of a requirements file, joined where one goes on, without comments."""
    with raised_as(SpecError, f"cannot read {path}", "", (OSError, YamlError, UnicodeDecodeError)):
        text = read_document(path).decode()
    for line in text.replace("\\\n", " ").splitlines():
        plain = _COMMENT.sub("", line).strip()
        if plain:
            yield " ".join(plain.split())
