"""What loading and using the node's side brings into a process."""

import subprocess
import sys
from pathlib import Path

import pytest

from simulators.versions import versioned_tarball

BUILD_SIDE = {
    *("conda_lock", "conda_pack", "networkx", "packaging", "rattler", "uv", "yaml"),
    *(f"lading.{name}" for name in ("engine", "install", "lock", "pack", "package")),
}
CORE = {"backports", "isal", "lading", "msgspec", "typing_extensions"}

PROGRAM = """
import sys
from pathlib import Path
before = set(sys.modules)
{work}
new = set(sys.modules) - before
print(*sorted({{name for name in new if name.split(".")[0] not in sys.stdlib_module_names}}))
"""

UNPACK = """
from lading.format import open_tarball
from lading.node import Generations, Store, apply_deploy, apply_relocate, apply_unpack
from lading.node import plan_deploy, plan_relocate, plan_unpack
from lading.verify import read_prefix_contents, verify_tarball, verify_unpacked
root = Path({root!r})
with open_tarball({tarball!r}) as source:
    apply_unpack(plan_unpack(source, root / "env", 1))
    apply_deploy(plan_deploy(source, Store(root / "store"), Generations(root / "name"), 1))
    assert verify_tarball(source, 1).is_clean
(root / "env").rename(root / "moved")
assert apply_relocate(plan_relocate(root / "moved"))
contents = read_prefix_contents(root / "moved", None)
assert verify_unpacked(root / "moved", contents).is_clean
Store(root / "store").collect()
"""


def loaded(work: str) -> set[str]:
    """The modules, not of the standard library, that a process loads for `work`."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(work=work)],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ["lading", "lading.format", "lading.node", "lading.verify"])
def test_importing_loads_nothing_of_the_build_side(package: str) -> None:
    """Nor any other package: a face loads what is used."""
    assert {"lading"} >= {name.split(".")[0] for name in loaded(f"import {package}")}


def test_a_node_loads_nothing_of_the_build_side(tmp_path: Path) -> None:
    """Unpacking, storing, verifying, relocating and collecting."""
    tarball = str(versioned_tarball(tmp_path / "tarballs").plan.tarball)
    found = loaded(UNPACK.format(root=str(tmp_path), tarball=tarball))
    assert (set(), set()) == (found & BUILD_SIDE, {name.split(".")[0] for name in found} - CORE)
