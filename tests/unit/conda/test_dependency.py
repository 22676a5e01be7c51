"""The names in what a record depends on."""

import pytest

from lading.conda.names import dependency_name, is_virtual


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("python", "python"),
        ("python >=3.8", "python"),
        ("python>=3.8,<4", "python"),
        ("Python=3.8", "python"),
        ("conda-forge::xz 5.*", "xz"),
        ("xz[version='5']", "xz"),
        ("__glibc >=2.17", "__glibc"),
        ("libstdcxx-ng!=1", "libstdcxx-ng"),
        ("a.b_c~=1", "a.b_c"),
        ("zlib*", "zlib"),
    ],
)
def test_the_name_is_found(text: str, name: str) -> None:
    """However a constraint is written, the name before it is found."""
    assert name == dependency_name(text)


@pytest.mark.parametrize("text", ["", ">=3", "*", "-x", "a@b"])
def test_no_name(text: str) -> None:
    """What does not begin with a name is refused."""
    with pytest.raises(ValueError, match="does not begin with a package name"):
        dependency_name(text)


def test_virtual_packages_are_told_by_their_name() -> None:
    """Two underscores mark a virtual package."""
    assert (True, False) == (is_virtual("__cuda"), is_virtual("_openmp_mutex"))
