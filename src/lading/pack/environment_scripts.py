"""The scripts that every environment carries, beside what its packages bring.

`bin/activate` and `bin/deactivate` are sourced by POSIX shells, `bin/activate.fish` by fish. They
find the environment beside themselves, so they work wherever it lies, relocated or not. The
variables that activation sets are written into them when the environment is packed: a shell cannot
read the JSON documents that hold them.

`bin/conda-unpack` relocates and verifies the environment where lading is not installed.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lading.conda import UNSET, VARIABLES_DIRECTORY, fish_quoted
from lading.package import Payload, PayloadFile
from lading.system import decode_json, read_regular
from lading.version import VERSION

_TEMPLATES = Path(__file__).parent / "scripts"
_MARK = "#variables\n"


def environment_scripts(
    payloads: Iterable[Payload], site_packages: str | None = None
) -> tuple[PayloadFile, ...]:
    """The scripts of an environment, by path.

    Args:
        payloads: All of the environment, its own files included. A script that a package brings
            (conda has a `bin/activate` of its own) is left out.
        site_packages: Prefix-relative; python relocates the environment from there when it starts.
            None leaves that out.
    """
    payloads = tuple(payloads)
    variables = _variables(payloads)
    contents = {
        "bin/activate": _filled("activate.sh", variables, _posix_word),
        "bin/activate.fish": _filled("activate.fish", variables, _fish_word),
        "bin/conda-unpack": _template("conda-unpack").replace("#version", VERSION),
        "bin/deactivate": _template("deactivate.sh"),
    }
    if site_packages is not None:
        for template, name in (
            ("lading-relocation.pth", "lading-relocation.pth"),
            ("lading_relocation", "lading_relocation.py"),
        ):
            contents[f"{site_packages}/{name}"] = _template(template)
    taken = {item.path for payload in payloads for item in payload.files}
    return tuple(
        PayloadFile(path=path, content=text.encode(), executable=text.startswith("#!"))
        for path, text in contents.items()
        if path not in taken
    )


def _variables(payloads: Iterable[Payload]) -> dict[str, tuple[str, ...]]:
    """What activation sets: name → the pieces of its value, between which the prefix stands.

    What packages set is overridden by what the environment itself sets, as conda does it.
    """
    files = [item for payload in payloads for item in payload.files]
    result: dict[str, tuple[str, ...]] = {}
    for item in sorted(files, key=lambda item: item.path):
        if item.path.startswith(VARIABLES_DIRECTORY) and item.path.endswith(".json"):
            values = decode_json(_content(item), dict[str, str])
            result |= {name: _pieces(value, item.placeholder) for name, value in values.items()}
    for item in files:
        if item.path == "conda-meta/state":
            state = decode_json(_content(item), dict[str, object])
            own = state.get("env_vars")
            assert isinstance(own, Mapping)  # noqa: S101  # lading wrote it
            result |= {str(name): (str(value),) for name, value in own.items()}
    return result


def _content(item: PayloadFile) -> bytes:
    return read_regular(item.place) if item.content is None else item.content


def _pieces(value: str, placeholder: str) -> tuple[str, ...]:
    return tuple(value.split(placeholder)) if placeholder else (value,)


def _filled(
    name: str, variables: Mapping[str, tuple[str, ...]], word: Callable[[tuple[str, ...]], str]
) -> str:
    """The template `name` with a line for each variable."""
    lines = "".join(
        f"    _lading_unset {variable}\n"
        if pieces == (UNSET,)
        else f"    _lading_set {variable} {word(pieces)}\n"
        for variable, pieces in sorted(variables.items())
    )
    return _template(name).replace(_MARK, lines)


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _posix_word(pieces: tuple[str, ...]) -> str:
    return '"$_lading_prefix"'.join(map(shlex.quote, pieces))


def _fish_word(pieces: tuple[str, ...]) -> str:
    return "$prefix".join(map(fish_quoted, pieces))
