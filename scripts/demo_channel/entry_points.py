"""Console scripts: `entry_points.txt` to `link.json` lines or to script files. Pure."""

from __future__ import annotations

import configparser
import re
from typing import TYPE_CHECKING

from demo_channel.package import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping

_GROUPS = ("console_scripts", "gui_scripts")
_SHEBANG = re.compile(rb"\A#!pythonw?(?=[ \r\n])")


def parse_entry_points(text: str) -> dict[str, str]:
    """Script name to `module:function`, sorted by name; extras in brackets are dropped.

    Source: entry points specification of the Python Packaging Authority.
    """
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(text)
    scripts = {
        name: re.sub(r"\s*\[.*\]\s*$", "", reference).replace(" ", "")
        for group in _GROUPS
        if parser.has_section(group)
        for name, reference in parser.items(group)
    }
    return dict(sorted(scripts.items()))


def render_entry_points(scripts: Mapping[str, str]) -> tuple[str, ...]:
    """Lines for `info/link.json`, as CEP 34 has them: `name = module:function`."""
    return tuple(f"{name} = {reference}" for name, reference in scripts.items())


def render_script(reference: str) -> bytes:
    """The file that calls one entry point, with the placeholder in its shebang line.

    Args:
        reference: `module:function` or `module:object.method`.
    """
    module, _, function = reference.partition(":")
    return (
        f"#!{PLACEHOLDER}/bin/python\n"
        "import sys\n\n"
        f"from {module} import {function.partition('.')[0]}\n\n"
        'if __name__ == "__main__":\n'
        f"    sys.exit({function}())\n"
    ).encode()


def replace_shebang(data: bytes) -> tuple[bytes, bool]:
    """A script of a wheel with the placeholder instead of `#!python`, and whether it had one.

    Source: binary distribution format, "Recommended installer features".
    """
    replaced, count = _SHEBANG.subn(f"#!{PLACEHOLDER}/bin/python".encode(), data)
    return replaced, count == 1
