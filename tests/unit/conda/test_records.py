"""Records of channels."""

import pytest

from lading.conda.records import archive_stem
from simulators.records import record


def test_a_record_knows_its_names() -> None:
    """File name and distribution string follow from the fields, without query."""
    url = "https://x.invalid/c/noarch/tool-1.2-0.conda?x=y"
    found = record("tool", "1.2", subdir="noarch", url=url)
    assert ("tool-1.2-0.conda", "tool-1.2-0") == (found.file_name, found.distribution)


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_the_stem_of_an_archive(suffix: str) -> None:
    """Both archive formats give the same distribution string."""
    assert "tool-1.2-0" == archive_stem(f"tool-1.2-0{suffix}")


@pytest.mark.parametrize("name", ["tool-1.2-0.whl", ".conda", "", "tool.tar"])
def test_no_archive(name: str) -> None:
    """Another suffix, or nothing before it, is not an archive of conda."""
    with pytest.raises(ValueError, match=r"is neither .conda nor .tar.bz2"):
        archive_stem(name)
