"""Is an image exactly what its bill says?"""

import subprocess
from pathlib import Path

import pytest

from lading.errors import EngineNotFoundError, IntegrityError
from lading.format.image import LABEL_BYTES, read_image
from lading.verify.finding import Report
from lading.verify.image import verify_image
from simulators.images import VARIABLES, make_image, need


def verify(path: Path) -> Report:
    """The report on an image."""
    need("sqfs2tar", "rdsquashfs")
    return verify_image(read_image(path), VARIABLES)


def forged(path: Path, change: str) -> Path:
    """The image with its tree changed by a line of shell, its label kept."""
    need("unsquashfs", "mksquashfs")
    tree, made = path.with_name("tree"), path.with_name("forged.sqsh")
    subprocess.run(["unsquashfs", "-n", "-d", tree, path], check=True, capture_output=True)
    subprocess.run(["sh", "-ec", change], cwd=tree, check=True)
    options = ["-quiet", "-no-progress", "-all-root", "-noappend"]
    subprocess.run(["mksquashfs", tree, made, *options], check=True, capture_output=True)
    label = path.read_bytes()[-LABEL_BYTES:]
    size = read_image(path).label.size
    text = label.replace(f'"size":{size}'.encode(), f'"size":{made.stat().st_size}'.encode())
    made.write_bytes(
        made.read_bytes() + text[:-8].rstrip(b"\0").ljust(LABEL_BYTES - 8, b"\0") + label[-8:]
    )
    return made


def test_a_sound_image(tmp_path: Path) -> None:
    """An image that nobody touched is exactly what its bill says."""
    report = verify(make_image(tmp_path).plan.tarball)
    assert (True, (), "image") == (report.is_clean, tuple(report.findings), report.kind)


@pytest.mark.parametrize(
    ("change", "rule", "path"),
    [
        ("echo x >> share/word", "modified", "share/word"),
        ("sed -i s,/opt/lading,/evil/lading, bin/where", "modified", "bin/where"),
        ("chmod 755 share/word", "modified", "share/word"),
        ("rm share/word", "missing", "share/word"),
        ("rm share/word; mkdir share/word", "modified", "share/word"),
        ("ln -sfn /bin/sh bin/there", "modified", "bin/there"),
        ("echo x > share/new", "foreign", "share/new"),
        ("echo '{}' > conda-meta/lading/state.json", "modified", "conda-meta/lading/state.json"),
    ],
)
def test_a_change(tmp_path: Path, change: str, rule: str, path: str) -> None:
    """Whatever was changed is told by its path."""
    [finding] = verify(forged(make_image(tmp_path).plan.tarball, change)).findings
    assert (rule, path) == (finding.rule, finding.path)


def read(image: Path) -> bytes:
    """All that a reader makes of an image: names, modes, owners, times and contents."""
    words = ("sqfs2tar", "--no-xattr", "--no-skip", "--no-hard-links", image)
    return subprocess.run(words, env=VARIABLES, capture_output=True, check=True).stdout


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """A flipped byte anywhere in what is read is a finding or an error."""
    packed = make_image(tmp_path)
    image = packed.plan.tarball
    data = image.read_bytes()
    size = read_image(image).label.size
    used = int.from_bytes(data[40:48], "little")
    whole = read(image)
    unnoticed = []
    # What precedes are the superblock, looked at first, and the compressor's options, unread.
    for position in range(110, used, max(1, used // 40)):
        changed = bytearray(data)
        changed[position] ^= 0xFF
        image.write_bytes(changed)
        try:
            # Some bytes say nothing: the number of an inode is of no use to any reader.
            if verify(image).is_clean and read(image) != whole:
                unnoticed.append(position)
        except IntegrityError:
            pass
    assert [] == unnoticed
    assert used <= size


def test_without_the_tools(tmp_path: Path) -> None:
    """Where images cannot be read the hint names the package."""
    image = read_image(make_image(tmp_path).plan.tarball)
    with pytest.raises(EngineNotFoundError) as caught:
        verify_image(image, {"PATH": str(tmp_path)})
    assert "squashfs-tools-ng" in caught.value.hint


def test_another_bill_inside(tmp_path: Path) -> None:
    """A bill that the label does not name is an error: nothing can be compared with it."""
    image = make_image(tmp_path).plan.tarball
    with pytest.raises(IntegrityError):
        verify(forged(image, "echo ' ' >> conda-meta/lading/manifest.json"))
