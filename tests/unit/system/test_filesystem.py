"""File systems by the mounts that the kernel lists."""

import os
from pathlib import Path

import pytest

from lading.system.filesystem import begin_write_out, network_file_system, read_mounts


def mounted(*mounts: tuple[str, str]) -> str:
    """A mountinfo with a file system of each type at each mount point, below a local root."""
    return "".join(
        f"{number} 1 0:{number} / {point} rw,relatime shared:1 - {kind} source rw\n"
        for number, (point, kind) in enumerate([("/", "ext4"), *mounts], start=20)
    )


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "lustre", "gpfs", "fuse.sshfs", "9p"])
def test_network_file_systems(kind: str) -> None:
    """Those on which locks may fail are known by name."""
    assert kind == network_file_system(Path("/home/me"), lambda: mounted(("/home", kind)))


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "overlay", "fuseblk"])
def test_local_file_systems(kind: str) -> None:
    """On a disk of this machine locks hold."""
    assert "" == network_file_system(Path("/home/me"), lambda: mounted(("/home", kind)))


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("/home/me/x", "nfs"),
        ("/home", "nfs"),
        ("/homes", ""),
        ("/home/me/local/x", ""),
        ("/with space/x", "lustre"),
        ("/twice", "ceph"),
    ],
)
def test_the_mount_point_that_a_directory_lies_below(directory: str, expected: str) -> None:
    """The longest counts, by whole names, and the last at one place; names may be escaped."""
    text = mounted(
        ("/home", "nfs"),
        ("/home/me/local", "ext4"),
        ("/with\\040space", "lustre"),
        ("/twice", "nfs"),
        ("/twice", "ceph"),
    )
    assert expected == network_file_system(Path(directory), lambda: text)


def test_a_link_to_a_network_file_system(tmp_path: Path) -> None:
    """What it leads to counts, also below a directory that does not exist yet."""
    (tmp_path / "link").symlink_to("/home/me")
    text = mounted(("/home", "nfs"))
    assert "nfs" == network_file_system(tmp_path / "link/a/b", lambda: text)


def test_no_mounts_are_listed() -> None:
    """Where the system tells nothing, a directory is taken for local."""
    assert "" == network_file_system(Path("/home"), lambda: "")


def test_the_mounts_of_this_machine() -> None:
    """The kernel lists its own file system."""
    assert " /proc " in read_mounts()


def test_writing_out_is_begun(tmp_path: Path) -> None:
    """The content stays as it is, and what cannot be written out, such as a pipe, is left alone."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    reader, writer = os.pipe()
    with path.open("rb") as stream:
        for descriptor in (stream.fileno(), writer):
            begin_write_out(descriptor, 0, 7)
    for descriptor in (reader, writer):
        os.close(descriptor)
    assert b"content" == path.read_bytes()
