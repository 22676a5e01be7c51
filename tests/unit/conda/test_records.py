"""Records of channels."""

import pytest

from lading.conda.names import BuildString, PackageName
from lading.conda.records import RepodataRecord, archive_stem


def test_a_record_knows_its_names() -> None:
    """File name and distribution string follow from the fields, without query."""
    record = RepodataRecord(
        name=PackageName("tool"),
        version="1.2",
        build=BuildString("0"),
        build_number=0,
        subdir="noarch",
        channel="https://x.invalid/c",
        url="https://x.invalid/c/noarch/tool-1.2-0.conda?x=y",
        sha256=None,
    )
    assert ("tool-1.2-0.conda", "tool-1.2-0") == (record.file_name, record.distribution)


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_the_stem_of_an_archive(suffix: str) -> None:
    """Both archive formats give the same distribution string."""
    assert "tool-1.2-0" == archive_stem(f"tool-1.2-0{suffix}")


@pytest.mark.parametrize("name", ["tool-1.2-0.whl", ".conda", "", "tool.tar"])
def test_no_archive(name: str) -> None:
    """Another suffix, or nothing before it, is not an archive of conda."""
    with pytest.raises(ValueError, match=r"is neither .conda nor .tar.bz2"):
        archive_stem(name)
