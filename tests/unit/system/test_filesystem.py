"""File systems by their numbers."""

from pathlib import Path

import pytest

from lading.system.filesystem import network_file_system, read_type


@pytest.mark.parametrize(
    ("number", "name"),
    [(0x6969, "NFS"), (0xFF534D42, "CIFS"), (0x0BD00BD0, "Lustre"), (0x47504653, "GPFS")],
)
def test_network_file_systems(number: int, name: str) -> None:
    """Those on which locks fail are known by name."""
    assert name == network_file_system(Path("/"), lambda _: number)


def test_a_local_file_system() -> None:
    """ext4 is none of them."""
    assert network_file_system(Path("/"), lambda _: 0xEF53) == ""


def test_a_directory_that_is_not_there_yet(tmp_path: Path) -> None:
    """The nearest directory that exists is asked."""
    asked: list[Path] = []

    def read(directory: Path) -> int:
        asked.append(directory)
        return 0x6969

    assert network_file_system(tmp_path / "a/b", read) == "NFS"
    assert [tmp_path] == asked


def test_the_number_is_read() -> None:
    """The kernel's own file system has its number."""
    assert read_type(Path("/proc")) == 0x9FA0


def test_a_directory_that_is_missing() -> None:
    """What cannot be asked is of no kind."""
    assert read_type(Path("/nowhere")) == 0
