"""Names of the dependencies of a record.

Source: CEP 34 (`depends`), CEP 26 (package names).
"""

from functools import cache

from lading.conda.names import NAME, PackageName


@cache
def dependency_name(text: str) -> PackageName:
    """The package name of a MatchSpec from a channel, however its constraint is written.

    Raises:
        ValueError: It does not begin with a name.
    """
    name = NAME.match(text.strip().partition("[")[0].rpartition("::")[2])
    if name is None:
        raise ValueError(f"{text!r} does not begin with a package name")
    return PackageName(name[0].lower())


def is_virtual(name: str) -> bool:
    """Whether `name` is that of a virtual package (CEP 26)."""
    return name.startswith("__")
