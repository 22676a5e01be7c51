"""What the pages do with Slurm, done by a real one of two nodes."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from simulators.images import need
from simulators.pages import PAGES, Block, Site, read_blocks
from simulators.slurm import Cluster, running_slurm

NODES = 2
TASKS = 16
IMAGE = "data-service-linux-64.sqsh"
PREFIX = "/opt/lading/data-service"
OLD, NEW = "fsspec 2026.7.0", "fsspec 2026.9.0"

BLOCKS = {
    "ship.sh": ("ship-to-cluster-nodes", "#!/bin/bash"),
    "ship": ("ship-to-cluster-nodes", "sbatch ship.sh"),
    "unpack": ("ship-to-cluster-nodes", "srun --ntasks-per-node=1 lading --quiet unpack"),
    "verify": ("verify-and-find-drift", "srun --ntasks-per-node=1 lading --json verify"),
    "preflight": ("mount-an-image", "srun --ntasks-per-node=1 --output"),
    "train.sh": ("mount-an-image", "#!/bin/bash"),
    "train": ("mount-an-image", "sbatch train.sh"),
    "prolog": ("mount-an-image", "#!/bin/sh\n# Prolog="),
    "epilog": ("mount-an-image", "#!/bin/sh\n# Epilog="),
    "task prolog": ("mount-an-image", "#!/bin/sh\n# TaskProlog="),
}
"""Name here → page, and how the block begins."""

NOT_RUN = ("srun --container-image",)
"""pyxis was not tried."""


def blocks() -> list[Block]:
    """Every block of a page that Slurm runs."""
    found = [item for path in (PAGES / "how-to").glob("*.md") for item in read_blocks(path)]
    ours = [item for item in found if "srun" in item.text or "sbatch" in item.text]
    programs = [item for item in found if item.is_program and item not in ours]
    return [item for item in (*ours, *programs) if not item.text.startswith(NOT_RUN)]


def text(name: str) -> str:
    """The block with that name."""
    page, begin = BLOCKS[name]
    [found] = [item for item in blocks() if item.page == page and item.text.startswith(begin)]
    return found.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """A cluster, and a user's place on the file system that its nodes share."""

    cluster: Cluster
    site: Site
    disks: Path

    def job(self, commands: str) -> list[str]:
        """What the environment said in a job which `commands` gave to Slurm; it must succeed."""
        number = self.site.done(commands).split()[-1]
        self.cluster.wait_for_jobs()
        said = (self.site.project / f"slurm-{number}.out").read_text()
        state = self.cluster.ask("scontrol", "show", "job", number)
        assert "JobState=COMPLETED" in state, said
        return sorted(line for line in said.splitlines() if line.startswith("fsspec"))

    def prefixes(self) -> list[int]:
        """The inode of the environment of each node."""
        found = sorted(self.disks.glob("*/nodelocal/data-service"))
        return [path.stat().st_ino for path in found]


@pytest.fixture(scope="module")
def cluster_and_site(
    site_template: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machines]:
    """Two nodes, each with its own `/opt` and `/nodelocal`."""
    if os.geteuid() != 0:
        pytest.skip("only root can give each node a file tree of its own")
    root = tmp_path_factory.mktemp("slurm")
    shutil.copytree(site_template.root, root / "site", symlinks=True)
    private = {root / "site" / name: name for name in ("nodelocal", "run")} | {Path("/opt"): "opt"}
    with running_slurm(root / "slurm", NODES, private) as cluster:
        variables = {"SLURM_CONF": str(cluster.settings), **site_template.variables}
        site = replace(site_template, root=root / "site", variables=variables)
        yield Machines(cluster=cluster, site=site, disks=root / "slurm/disks")


@pytest.fixture
def machines(cluster_and_site: Machines, site_template: Site) -> Machines:
    """The same, with nothing on the nodes' disks, and the first version in `dist`."""
    for disk in cluster_and_site.disks.glob("*/nodelocal/*"):
        shutil.rmtree(disk)
    packed = cluster_and_site.site.project / "dist"
    shutil.rmtree(packed)
    shutil.copytree(site_template.project / "dist", packed)
    return cluster_and_site


@pytest.fixture
def image(machines: Machines) -> Path:
    """An image in the directory that all nodes see, and a newer one in `new/`."""
    need("squashfuse_ll", "unsquashfs")
    site = machines.site
    if not (site.project / "images/old").exists():
        # The template is locked to the older version.
        for name, version in (("old", "7"), ("new", "9")):
            site.done(
                f"sed -i 's/2026[.].[.]0/2026.{version}.0/' environment.yml\n"
                f"lading -q lock; lading -q pack -f sqsh -o images/{name} data-service"
            )
    site.done("cp images/old/* /shared")
    return site.root / "shared" / IMAGE


def test_all_blocks_are_here() -> None:
    """Every block of every page that Slurm runs is run by one of these tests."""
    ours = [
        [
            name
            for name, (page, begin) in BLOCKS.items()
            if item.page == page and item.text.startswith(begin)
        ]
        for item in blocks()
    ]
    assert sorted([name] for name in BLOCKS) == sorted(ours)


def test_a_job_ships_and_can_run_again(machines: Machines) -> None:
    """The first run unpacks on each node, the second finds it there, a new version replaces it."""
    site = machines.site
    (site.project / "ship.sh").write_text(site.here(text("ship.sh")))
    prefix = site.here("/nodelocal/data-service")
    assert [f"{OLD} {prefix} {prefix}"] * NODES == machines.job(text("ship"))
    first = machines.prefixes()
    assert [f"{OLD} {prefix} {prefix}"] * NODES == machines.job(text("ship"))
    assert (NODES, first) == (len(first), machines.prefixes())
    shutil.rmtree(site.project / "dist")
    shutil.copytree(site.project / "new", site.project / "dist")
    assert [f"{NEW} {prefix} {prefix}"] * NODES == machines.job(text("ship"))
    left = sorted(path.name for path in machines.disks.glob("*/nodelocal/*"))
    assert ["data-service"] * NODES == left


def test_all_tasks_unpack_at_once(machines: Machines) -> None:
    """Of all tasks of a node one unpacks, the others wait for it; each ends well."""
    site = machines.site
    for name in (site.project / "dist").iterdir():
        shutil.copy(name, site.root / "shared")
    command = text("unpack").replace("srun --ntasks-per-node=1", f"srun -N1 -n{TASKS}")
    said = site.done(command).splitlines()
    assert [site.here("/nodelocal/data-service")] * TASKS == said
    assert ["data-service"] == [path.name for path in machines.disks.glob("*/nodelocal/*")]
    site.done(text("unpack").replace("srun", f"srun -N{NODES}"))
    answers = site.done(text("verify").replace("srun", f"srun -N{NODES}"))
    assert NODES == answers.count('"clean":true')
    assert NODES == len(machines.prefixes())


def test_tasks_share_an_image(machines: Machines, image: Path) -> None:
    """A job's tasks run inside of an image; a new one under its name is taken by the next job."""
    site = machines.site
    (site.project / "train.sh").write_text(site.here(text("train.sh")))
    one = text("train").replace("sbatch", "sbatch --nodes=1")
    assert [f"{OLD} {PREFIX} {PREFIX}"] * TASKS == machines.job(one)
    site.done(
        f"cp images/new/{IMAGE} /shared/.new && mv /shared/.new {image}; cp images/new/* /shared"
    )
    each = text("train").replace("sbatch", "sbatch --ntasks-per-node=1")
    assert [f"{NEW} {PREFIX} {PREFIX}"] * NODES == machines.job(each)


@pytest.mark.usefixtures("image")
def test_a_cluster_is_asked_first(machines: Machines) -> None:
    """Each node's answer is a line of the table."""
    table = machines.site.done(text("preflight").replace("srun", f"srun -N{NODES}")).splitlines()
    assert ["node1", "node2"] == sorted(line.split()[0] for line in table[1:]), table


def test_the_site_mounts_it(machines: Machines, image: Path) -> None:
    """With prolog and epilog jobs find the image mounted, and the last one unmounts it."""
    site, cluster = machines.site, machines.cluster
    before = cluster.settings.read_text()
    for name in ("prolog", "epilog", "task prolog"):
        path = site.root / name.replace(" ", "-")
        path.write_text(site.here(text(name)))
        path.chmod(0o755)
    (site.root / "opt/lading-node").symlink_to(site.root)
    cluster.add_settings(
        f"Prolog={site.root}/prolog\nEpilog={site.root}/epilog\nTaskProlog={site.root}/task-prolog\n"
    )
    try:
        said = site.done(
            f"srun -N{NODES} python train.py\n"
            # While one job waits, another one begins and ends on the same node.
            "srun -N1 -w node1 sh -c 'touch began; while test -f began; do sleep 0.1; done; "
            "python train.py' &\n"
            "while ! test -f began; do sleep 0.1; done\n"
            f"srun -N1 -w node1 lading -v run {image} -- python train.py 2> said\n"
            "while squeue -h -t completing | grep -q .; do sleep 0.1; done\n"
            "rm began; wait; grep -q already said\n"
        )
        assert [f"{OLD} {PREFIX} {PREFIX}"] * (NODES + 2) == said.splitlines()
        cluster.wait_for_jobs()
    finally:
        cluster.settings.write_text(before)
        cluster.ask("scontrol", "reconfigure")
    assert [] == list(machines.disks.glob("*/opt/*"))
