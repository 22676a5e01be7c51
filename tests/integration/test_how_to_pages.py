"""Every command of every page is run, as the page has it."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from simulators.pages import PAGES, Block, Site, read_blocks
from simulators.rangeserver import serve_ranges
from simulators.webserver import serve_directory
from simulators.wheel_index import WheelIndex

UNPACKED = "lading -q unpack dist/data-service-linux-64.tar.zst /nodelocal/data-service\n"
SLURM = "tests/integration/test_how_to_slurm.py"
COMMITTED = """\
git init -qb main; git add lading.toml environment.yml locks
git -c user.name=x -c user.email=x commit -qm x
"""
OWN_CODE = """\
cp ../settings.toml lading.toml
cat > environment.yml <<'END OF FILE'
{name: service, channels: [conda-forge], dependencies: [python, pip: [-e ./lib]]}
END OF FILE
mkdir -p lib/my_lib; touch lib/my_lib/__init__.py
cat > lib/pyproject.toml <<'END OF FILE'
[project]
name = "my-lib"
version = "1.0"
[build-system]
requires = ["uv_build>=0.5,<1"]
build-backend = "uv_build"
[tool.uv.build-backend]
module-root = ""
END OF FILE
"""
CHECKOUT = """\
cp {0}/Makefile .; mkdir -p locks scripts .venv/bin; touch locks/development.txt pyproject.toml
ln -s ../../../bin/lading .venv/bin/lading; ln -s {1} .venv/bin/python; touch .venv/.ready
mkdir scripts/demo_channel; touch scripts/demo_channel/__main__.py
cp environment.yml examples/data-service; rm -r locks/data-service dist
sed -i 's#"environment.yml"#"examples/data-service/environment.yml"#' lading.toml
"""
RUN = "lading run dist/data-service-linux-64.sqsh"
ADOPT = "tests/integration/test_adopt.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a page is followed.

    Attributes:
        before: What is done before, as a shell runs it.
        between: Begin of a block → what is done before that one.
        after: What must be so afterwards.
        elsewhere: Begin of each block that is not run here → what runs it, or why nothing does.
        programs: What must be installed.
        is_for_root: Whether only root can do it; then it is done in a file tree of its own.
    """

    before: str = ""
    between: Mapping[str, str] = field(default_factory=dict)
    after: str = ""
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    is_for_root: bool = False


WAYS = {
    "choose-an-engine": Way(after="test -x build/data-service/linux-64/prefix/bin/python"),
    "come-from-other-tools": Way(
        # conda is not installed here: a script prints what conda would print.
        before="sed -i 's/^name: .*/name: service/' environment.yml\n"
        "cp ../settings.toml lading.toml\n"
        "sed 's/data-service/service/; s#[.][.]/[.][.]/##' locks/*/*.yml > conda-lock.yml\n"
        "lading export data-service > ../explicit\n"
        "printf '#!/bin/sh\\ncase $1 in list) cat ../explicit;; *) "
        "lading export service --environment-yml;; esac\\n' > ../bin/conda\n"
        "chmod +x ../bin/conda",
        after="ls locks/service/linux-64.conda-lock.yml",
        elsewhere={"lading adopt pixi.lock": ADOPT, "lading adopt conda-linux-64.lock": ADOPT},
    ),
    "first-tarball": Way(
        # A checkout that is set up, whose channel is the small one.
        before=CHECKOUT.format(PAGES.parent, sys.executable),
        between={
            "sha256sum": "lading verify '/tmp/another place/data-service' && false\n"
            "sha256sum dist/*.zst > ../first"
        },
        after="sha256sum -c ../first",
    ),
    "dev-and-prod": Way(after="ls build/service-dev/linux-64/prefix build/service/linux-64/prefix"),
    "gpu": Way(
        before="rm -r locks dist; printf 'name: train\\nchannels: [conda-forge]\\n"
        "dependencies: [pytorch=2.7.*=cuda*]\\n' > environment.yml"
    ),
    "keep-locks-in-git": Way(
        before=COMMITTED,
        after="grep -q svg graph.svg; git check-attr merge x.conda-lock.yml | grep -q lading",
    ),
    "mount-an-image": Way(
        between={"lading preflight": "lading umount /opt/lading/data-service"},
        elsewhere={
            "srun --ntasks": SLURM,
            "sbatch": SLURM,
            "#!/bin/bash": SLURM,
            "#!/bin/sh": SLURM,
            "apptainer": "by hand: Apptainer is in few distributions",
            "srun --container-image": "pyxis was not tried",
            f"{RUN} -- \\\n    ch-run": "by hand: the tests have no container to start it in",
        },
        programs=("sqfs2tar", "squashfuse_ll", "unsquashfs"),
        is_for_root=True,
    ),
    "move-an-environment": Way(
        before=UNPACKED,
        after="for name in elsewhere copy links; do\n"
        "/nodelocal/$name/bin/python train.py | grep -q /nodelocal/$name; done",
    ),
    "own-code": Way(
        before=OWN_CODE,
        between={
            "$ lading lock --check": "lading -q lock; echo '# more' >> lib/my_lib/__init__.py"
        },
        after="grep -q project/lib build/service/linux-64/prefix/lib/python*/site-packages/*.pth",
    ),
    "pack-in-ci": Way(before=COMMITTED, after="test -f /tmp/again/dist/*.tar.zst"),
    "mounting": Way(before="lading -q pack -f sqsh data-service", programs=("squashfuse_ll",)),
    "pack-manifest": Way(
        before="lading -q pack -f tar.gz data-service; cp dist/*.tar.gz .; mkdir env",
        programs=("jq",),
    ),
    "ship-to-cluster-nodes": Way(
        before="cp -r dist old",
        between={"lading unpack --store /nodelocal/store dist": "rm -r /nodelocal/data-service"},
        after="/nodelocal/data-service/bin/python train.py | grep 2026.9.0",
        elsewhere={
            "make node": "tests/integration/test_node_archive.py",
            "sbatch": SLURM,
            "#!/bin/bash": SLURM,
            "srun": SLURM,
        },
    ),
    "spark-ray-dask": Way(
        after="""
        cp dist/*.tar.gz /tarballs
        sh -c "$(sed -n 's/.*command: .sh, -c, "\\(.*\\)".$/\\1/p' pod.yml)"
        test "$(/environment/bin/python -c 'import sys; print(sys.prefix)')" = /environment
        test "$(cat /environment/share/place)" = /environment
        """,
        elsewhere={
            "python job.py": "tests/integration/test_how_to_spark_ray_dask.py",
            "export PYSPARK_PYTHON": "a YARN could not be had",
        },
    ),
    "use-a-mirror": Way(
        before="rm -r .lading",
        between={
            "lading install": "rm -r .lading; printf '[environments.data-service]\\n"
            '[mirrors]\\n"https://conda.anaconda.org/conda-forge" = ["/media/disk/mirror"]\' '
            "> lading.toml",
            "lading lock --pip-index": "printf '\\n[environments.data-service-pip]\\n"
            'sources = ["pip.yml"]\\n\' >> lading.toml\n'
            "printf 'name: data-service-pip\\nchannels: [conda-forge]\\n"
            "dependencies: [python, pip: [greeting]]\\n' > pip.yml",
        },
        after="grep -q 'url: http://127.*/greeting-1.0' locks/data-service-pip/*.yml\n"
        "lading -q install data-service-pip",
    ),
    "verify-and-find-drift": Way(
        before=UNPACKED + "lading -q install data-service",
        elsewhere={"srun": SLURM},
    ),
    "without-lading-on-the-node": Way(
        between={
            "sh data-service": "mkdir ../node; cp dist/* ../node; cd ../node",
            "sha256sum": "rm *.sh",
            "lading relocate": "mkdir other; mv data-service other; cd other",
        },
        after="grep -q other/data-service data-service/share/place",
        programs=("zstd",),
    ),
}


def pages() -> list[Path]:
    """Every page that has commands."""
    folders = ("tutorial", "how-to", "explanation", "reference")
    found = [path for name in folders for path in sorted((PAGES / name).glob("*.md"))]
    return [path for path in found if any(block.commands() for block in read_blocks(path))]


def test_each_way_is_of_a_page() -> None:
    """Nothing is said about pages that are gone."""
    assert sorted(WAYS) == sorted(path.stem for path in pages())


@pytest.fixture
def site(site_template: Site, tmp_path: Path) -> Iterator[Site]:
    """A site of its own for one page."""
    root = tmp_path / "site"
    shutil.copytree(site_template.root, root, symlinks=True)
    name = "data-service-linux-64.tar.zst"
    index = WheelIndex(tmp_path / "index")
    index.add_wheel("greeting", "1.0")
    with (
        serve_ranges({f"/{name}": (root / "project/new" / name).read_bytes()}) as server,
        serve_directory(index.root) as wheels,
    ):
        servers = {
            "https://tarballs.example": server.url,
            "https://mirror.example/simple": f"{wheels}/simple",
        }
        yield Site(root=root, variables=site_template.variables, servers=servers)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_a_page_is_right(site: Site, path: Path) -> None:
    """All its commands succeed, in order, in one shell."""
    way = WAYS[path.stem]
    if way.is_for_root and os.geteuid() != 0:
        pytest.skip("only root may mount a squashfs")
    for name in way.programs:
        if shutil.which(name, path=site.environment["PATH"]) is None:
            pytest.skip(f"{name} is not installed")
    blocks = read_blocks(path)
    named = [*way.between, *way.elsewhere]
    assert [] == [begin for begin in named if not any(starts(item, begin) for item in blocks)]
    kept = [item for item in blocks if not any(starts(item, begin) for begin in way.elsewhere)]
    assert [] == [item.text for item in kept if item.is_program]
    site.done(script(way, kept), is_apart=way.is_for_root)


def script(way: Way, blocks: list[Block]) -> str:
    """What a shell runs to follow a page; it says where it is."""
    parts = [way.before]
    for block in blocks:
        parts.append(f"echo '{block.page}, line {block.line}' >&2")
        parts += [text for begin, text in way.between.items() if starts(block, begin)]
        parts.append(block.commands())
    return "\n".join([*parts, way.after])


def starts(block: Block, begin: str) -> bool:
    """Whether a block starts with these words."""
    return block.text.startswith(begin)
