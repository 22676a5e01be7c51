"""Platform selectors: `- libfoo  # [linux]` is a line for Linux alone. Pure.

Source: conda-lock 4.0.3 `src_parser/selectors.py`, which knows no expressions, only these words.
"""

import re

from lading.conda import Platform
from lading.errors import SpecError

__all__ = ["selected_text"]

_WORDS = {
    Platform.LINUX_64: {"linux64", "unix", "linux"},
    Platform.LINUX_AARCH64: {"aarch64", "unix", "linux"},
    Platform.LINUX_PPC64LE: {"ppc64le", "unix", "linux"},
    Platform.OSX_64: {"osx64", "osx", "unix"},
    Platform.OSX_ARM64: {"arm64", "osx", "unix"},
    Platform.WIN_64: {"win", "win64"},
}
_SELECTOR = re.compile(r"(.+?)\s*(#.*)\[([^\[\]]+)\](?(2)[^()]*)$")


def selected_text(text: str, platform: Platform) -> str:
    """The lines of `text` that are meant for `platform`; comment lines are dropped.

    Raises:
        SpecError: There is a selector, and none is known for `platform`.
    """
    lines = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        match = _SELECTOR.match(line)
        if match is not None and platform not in _WORDS:
            raise SpecError(
                f"there are no selectors for {platform}: {line.strip()}",
                hint="write the line into a source of its own",
            )
        if match is None or match[3] in _WORDS[platform]:
            lines.append(line)
    return "\n".join(lines)
