"""Images, mounted for real: every way, as root and as nobody, many at once, damaged, killed."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.format.compression import Level
from simulators.images import MOUNTED, make_image, need
from simulators.users import Node, root_node, somebody

MANY = 16

# They mount at one place.
pytestmark = pytest.mark.xdist_group("images")


@pytest.fixture
def root(tmp_path: Path) -> Node:
    """A node as root sees it."""
    return root_node(tmp_path)


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[Node]:
    """A node as a user without any right sees it, who may open /dev/fuse."""
    need("squashfuse_ll", "unsquashfs")
    yield from somebody(tmp_path, fuse=True)


@pytest.fixture
def shut_out(tmp_path: Path) -> Iterator[Node]:
    """The same, but /dev/fuse is closed."""
    need("squashfuse_ll", "unsquashfs")
    yield from somebody(tmp_path, fuse=False)


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Path]:
    """An image that everybody may read."""
    made = make_image(tmp_path / "dist", level=Level.FAST).plan.tarball
    shared = Path(f"/var/tmp/lading-image-{os.getpid()}-{tmp_path.name}.sqsh")
    shutil.copy(made, shared)
    shared.chmod(0o644)
    yield shared
    shared.unlink()


def possible(node: Node, how: str, image: Path) -> None:
    """Skip the test where a kernel or a container forbids a way, with what it said."""
    outcome = node.run("run", "--how", how, image, "--", "true")
    if outcome.code != 0:
        pytest.skip(f"{how} is not possible here: {outcome.stderr}")
    assert node.is_tidy()


@pytest.mark.parametrize("how", ["kernel", "namespace", "fuse", "unpack"])
def test_root(root: Node, image: Path, how: str) -> None:
    """Root runs a program by every way; scripts find their prefix; nothing is left."""
    need("squashfuse_ll", "unsquashfs", "fusermount3")
    possible(root, how, image)
    outcome = root.run("run", "--how", how, image, "--", "where")
    assert (0, "mounted\n", True, False) == (
        outcome.code,
        outcome.stdout,
        root.is_tidy(),
        Path(MOUNTED).exists(),
    )


@pytest.mark.parametrize("how", ["namespace", "unpack"])
def test_nobody(nobody: Node, image: Path, how: str) -> None:
    """A user without any right does, too, and is the same user in there."""
    possible(nobody, how, image)
    program = 'where; id -u; pwd; echo "$CONDA_PREFIX"'
    outcome = nobody.run("run", "--how", how, image, "--", "sh", "-c", program)
    word, number, directory, prefix = outcome.stdout.split()
    assert ("mounted", "65534", str(nobody.home)) == (word, number, directory)
    assert how == "unpack" or prefix == MOUNTED
    assert nobody.is_tidy()


def test_the_way_that_is_left(shut_out: Node, image: Path) -> None:
    """Without FUSE the environment is unpacked; -v says why nothing faster was possible."""
    outcome = shut_out.run("-v", "run", image, "--", "where")
    assert (0, "mounted\n") == (outcome.code, outcome.stdout)
    for words in ("only root may mount", "/dev/fuse: Permission denied", "by unpack"):
        assert words in outcome.stderr
    assert shut_out.is_tidy()


def test_a_way_that_is_forbidden(shut_out: Node, image: Path) -> None:
    """Asked for one way only, the command says why it is not possible."""
    outcome = shut_out.run("run", "--how", "namespace", image, "--", "where")
    assert (8, True, True) == (
        outcome.code,
        outcome.is_plain_error,
        "namespace: /dev/fuse: Permission denied" in outcome.stderr,
    )


def test_many_at_once(nobody: Node, image: Path) -> None:
    """All tasks of a node share one mount."""
    possible(nobody, "namespace", image)
    children = [
        nobody.start("-v", "run", image, "--", "sh", "-c", "where; read x") for _ in range(MANY)
    ]
    for child in children:
        assert child.stdout is not None
        assert "mounted\n" == child.stdout.readline()
    servers = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    ends = [child.communicate("\n", timeout=60) for child in children]
    assert (1, 1, {0}) == (
        sum(f"squashfuse_ll -f {image}" in line for line in servers.stdout.splitlines()),
        sum("mounted by namespace" in errors for _, errors in ends),
        {child.returncode for child in children},
    )
    assert nobody.is_tidy()


def test_the_first_is_killed(nobody: Node, image: Path) -> None:
    """The others go on, and more can join."""
    possible(nobody, "namespace", image)
    first, second = (
        nobody.start("run", image, "--", "sh", "-c", "where; read x; where") for _ in "12"
    )
    for child in (first, second):
        assert child.stdout is not None
        child.stdout.readline()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert "mounted\n" == nobody.run("run", image, "--", "where").stdout
    assert "mounted\n" == second.communicate("\n", timeout=60)[0]
    assert nobody.is_tidy()


def test_a_child_in_the_background(nobody: Node, image: Path) -> None:
    """What a program left running keeps its environment."""
    possible(nobody, "namespace", image)
    mark = nobody.home / "mark"
    program = f"(sleep 1; where > {mark}) >/dev/null 2>&1 </dev/null &"
    assert 0 == nobody.run("run", image, "--", "sh", "-c", program).code
    assert (True, "mounted\n") == (nobody.is_tidy(), mark.read_text())


def test_digests(nobody: Node, image: Path, tmp_path: Path) -> None:
    """A damaged image is refused before anything of it is mounted, if its digest was asked for."""
    need("sqfs2tar")
    possible(nobody, "namespace", image)
    [line, bill] = (tmp_path / "dist/sample-linux-64.sqsh.sha256").read_text().splitlines()
    options = (("--sha256", line.split()[0]), ("--manifest-sha256", bill.split()[0]))
    data = image.read_bytes()
    for option in options:
        assert "mounted\n" == nobody.run("run", *option, image, "--", "where").stdout
    damaged = bytearray(data)
    damaged[1000] ^= 1
    image.write_bytes(damaged)
    for option in options:
        outcome = nobody.run("run", *option, image, "--", "where")
        assert (7, "", True) == (outcome.code, outcome.stdout, outcome.is_plain_error)
    assert nobody.is_tidy()


def test_an_image_cut_off(nobody: Node, image: Path) -> None:
    """Half an image is an error, of one line, for every command."""
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    for command in (("run", image, "--", "where"), ("mount", image), ("verify", image)):
        outcome = nobody.run(*command)
        assert (7, True) == (outcome.code, outcome.is_plain_error), command


@pytest.mark.parametrize("how", ["kernel", "fuse"])
def test_a_mount_for_people(root: Node, image: Path, how: str) -> None:
    """Mounted twice is mounted; unmounted, the directory is gone; elsewhere a warning is told."""
    need("squashfuse_ll")
    possible(root, how, image)
    place = root.home / "place"
    first = root.run("mount", "--how", how, image, place)
    second = root.run("mount", "--how", how, image, place)
    try:
        assert (0, f"{place}\n", 0, "mounted\n") == (
            first.code,
            first.stdout,
            second.code,
            (place / "share/word").read_text(),
        )
        assert "warning: it was packed for another place" in first.stderr
        assert "already" in second.stderr
    finally:
        outcome = root.run("umount", place)
    assert (0, False) == (outcome.code, place.exists())
    again = root.run("umount", place)
    assert (8, True) == (again.code, again.is_plain_error)


def test_a_mount_at_its_prefix_is_used(root: Node, image: Path) -> None:
    """What a prolog mounted is what `run` takes, without a mount of its own."""
    possible(root, "kernel", image)
    assert 0 == root.run("mount", image).code
    try:
        outcome = root.run("-v", "run", image, "--", "where")
        assert (0, "mounted\n", True) == (outcome.code, outcome.stdout, "already" in outcome.stderr)
        assert 0 == root.run("verify", MOUNTED).code
    finally:
        assert 0 == root.run("umount", MOUNTED).code
    assert not Path(MOUNTED).exists()


def test_a_place_that_is_taken(root: Node, image: Path) -> None:
    """Nothing is mounted in front of somebody's files."""
    (root.home / "mine").mkdir()
    (root.home / "mine/file").touch()
    outcome = root.run("mount", image, root.home / "mine")
    assert (8, True) == (outcome.code, outcome.is_plain_error)


def test_a_label_that_lies(root: Node, tmp_path: Path) -> None:
    """An image whose inside is another one than its label says is not used."""
    need("squashfuse_ll", "unsquashfs")
    ours = make_image(tmp_path / "dist", level=Level.FAST).plan.tarball
    other = make_image(
        tmp_path / "other", level=Level.FAST, prefix="/opt/lading/other-of-the-tests"
    ).plan.tarball
    data, label = other.read_bytes()[:-4096], ours.read_bytes()[-4096:]
    if len(data) != len(ours.read_bytes()) - 4096:
        data = data.ljust(len(ours.read_bytes()) - 4096, b"\0")
    other.write_bytes(data + label)
    for how in ("kernel", "namespace", "unpack"):
        outcome = root.run("run", "--how", how, other, "--", "where")
        assert (8, "") == (outcome.code, outcome.stdout), how
    assert 8 == root.run("mount", other, root.home / "place").code
    assert not (root.home / "place").exists()


def test_preflight(shut_out: Node, nobody: Node, image: Path) -> None:
    """It says which way `run` would take, why no faster one, and leaves nothing behind."""
    outcome = shut_out.run("preflight", image)
    assert (0, True, True) == (
        outcome.code,
        "will run on" in outcome.stdout.splitlines()[0],
        "not by namespace: /dev/fuse: Permission denied" in outcome.stdout,
    )
    possible(nobody, "namespace", image)
    lines = nobody.home / "lines"
    lines.write_text(nobody.run("preflight", "--json", image).stdout * 2)
    table = nobody.run("preflight", "--merge", lines).stdout.splitlines()
    assert (3, True) == (len(table), all("namespace" in line for line in table[1:]))
    assert nobody.is_tidy()
