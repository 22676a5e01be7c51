"""An environment that relocates itself when its python starts."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from lading.format.relocation import read_state
from lading.pack.packer import PackRequest, apply_pack, plan_pack
from lading.package.payload import PythonLayout
from simulators.handmade import file, installed, payload

OLD = "/build/" + "placeholder" * 20
SITE = "lib/python3.11/site-packages"

# What python does with a .pth file, in an environment whose python is this one.
START = """
import sys
sys.prefix = sys.argv[1]
sys.path.insert(0, sys.argv[1] + "/lib/python3.11/site-packages")
exec(open(sys.path[0] + "/lading-relocation.pth").read())
print("lading_relocation" in sys.modules)
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """What `tar` makes of the tarball of such an environment."""
    conf = file("etc/conf", f"a={OLD}\n".encode(), placeholder=OLD, directory=tmp_path / "source")
    made = installed([payload(conf)])
    python = PythonLayout("3.11", SITE, "bin/python3.11", "0" * 64)
    contents = msgspec.structs.replace(made.contents, python=python)
    made = replace(made, contents=contents)
    request = PackRequest(installed=made, directory=tmp_path / "dist", self_relocating=True)
    tarball = apply_pack(plan_pack(request)).plan.tarball
    prefix = tmp_path / "env"
    prefix.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", tarball, "-C", prefix], check=True)
    return prefix


def start(prefix: Path) -> tuple[bool, str]:
    """Whether python did more than to look, and what the environment names afterwards."""
    words = [sys.executable, "-B", "-c", START, prefix]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    assert "" == done.stderr
    return done.stdout == "True\n", (prefix / "etc/conf").read_text()


def test_it_relocates_itself_once(prefix: Path) -> None:
    """The first start relocates, the next only looks; so it goes after each move."""
    assert [(True, f"a={prefix}\n"), (False, f"a={prefix}\n")] == [start(prefix), start(prefix)]
    moved = prefix.rename(prefix.with_name('odd "name"'))
    assert (True, f"a={moved}\n") == start(moved)
    # A name that JSON spells otherwise is looked at twice, and stays.
    inode = (moved / "etc/conf").stat().st_ino
    assert (True, f"a={moved}\n", inode) == (*start(moved), (moved / "etc/conf").stat().st_ino)


def test_links_to_it_lead_to_one_place(prefix: Path) -> None:
    """Those who come by different links do not relocate it in turns."""
    for name in ("a", "b"):
        (prefix.parent / name).symlink_to(prefix)
    found = {start(prefix.parent / name)[1] for name in ("a", "b", "a")}
    state = read_state(prefix)
    assert ({f"a={prefix}\n"}, str(prefix)) == (found, state.prefix if state else "")


def test_nothing_is_done_where_nothing_can_be(prefix: Path) -> None:
    """Without its records, or without its script, python starts as it is."""
    (prefix / "bin/conda-unpack").unlink()
    assert (True, f"a={OLD}\n") == start(prefix)
    shutil.rmtree(prefix / "conda-meta")
    assert (True, f"a={OLD}\n") == start(prefix)


def test_a_failure_is_told(prefix: Path) -> None:
    """Where relocating fails, python starts, and says so."""
    (prefix / "etc/conf").write_text("changed")
    words = [sys.executable, "-B", "-c", START, prefix]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    assert f"{prefix} was not relocated: see {prefix}/bin/conda-unpack --help\n" in done.stderr
