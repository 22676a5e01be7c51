"""Environment variables that an activated environment sets.

Their names become words of a shell's program, so they must be nothing but names.
"""

from collections.abc import Mapping

from lading.conda.names import is_variable_name

UNSET = "***unset***"
"""conda's value for a variable that activation removes."""

VARIABLES_DIRECTORY = "etc/conda/env_vars.d/"
"""Prefix-relative: packages keep JSON documents there, name → value."""


def refusal_of_variables(variables: Mapping[str, str]) -> str:
    """Why `variables` cannot be set, as one line; empty if they can."""
    for name, value in variables.items():
        if not is_variable_name(name):
            return f"{name!r} cannot be the name of a variable: only letters, digits and _ can"
        if "\0" in value:
            return f"the value of {name} holds a NUL byte"
    return ""


def fish_quoted(text: str) -> str:
    """The text as one word of a fish program."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
