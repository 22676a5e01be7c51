"""What the page on Spark, Dask and Ray does, done by real ones.

They are too large for CI. Each test runs where a variable names a python that has what it needs, of
the same minor version as that of the tests:

    python3.11 -m venv /tmp/spark && /tmp/spark/bin/pip install pyspark
    python3.11 -m venv /tmp/dask && /tmp/dask/bin/pip install distributed dask-jobqueue numpy
    python3.11 -m venv /tmp/ray && /tmp/ray/bin/pip install ray
    export LADING_SPARK_PYTHON=/tmp/spark/bin/python LADING_DASK_PYTHON=/tmp/dask/bin/python
    LADING_RAY_PYTHON=/tmp/ray/bin/python make test
"""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from simulators.pages import PAGES, Site, read_blocks

TARBALL = "data-service-linux-64.tar.zst"
PAGE = read_blocks(PAGES / "how-to/spark-ray-dask.md")

SCHEDULER = {
    "sbatch": '#!/bin/bash\ncp "$1" "$HOME/$$.sh"\n'
    'setsid bash "$HOME/$$.sh" > "$HOME/$$.log" 2>&1 &\necho "Submitted batch job $!"\n',
    "scancel": '#!/bin/bash\nkill -- "-$1"\n',
}
"""Starts and ends a job on this machine; of Slurm, dask-jobqueue calls these two alone."""

SETTINGS = """\
spark.master local-cluster[2,1,1024]
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.ui.enabled false
spark.executor.memory 512m
"""


def site_of(template: Site, root: Path, name: str) -> tuple[Site, Path]:
    """A site whose `python` has what is called `name`, and the directory of its modules."""
    chosen = os.environ.get(f"LADING_{name.upper()}_PYTHON")
    if chosen is None:
        pytest.skip(f"LADING_{name.upper()}_PYTHON names no python that has it")
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([chosen, "-c", find], capture_output=True, text=True, check=True)
    shutil.copytree(template.root, root, symlinks=True)
    python = root / "bin/python"
    python.write_text(f"#!/bin/sh\nexec '{chosen}' \"$@\"\n")
    python.chmod(0o755)
    return replace(template, root=root), Path(found.stdout.strip())


def with_modules(site: Site, modules: Path) -> Site:
    """The site where the packed environment has these modules too: it is too small to hold them."""
    return replace(site, variables={**site.variables, "PYTHONPATH": str(modules)})


def commands(*begins: str) -> str:
    """The blocks of the page that begin so, as a shell runs them."""
    return "\n".join(item.commands() for item in PAGE if item.text.startswith(begins))


def test_workers_of_dask_bring_the_environment(site_template: Site, tmp_path: Path) -> None:
    """Two workers unpack it once; the next ones find it, or replace it by a new version."""
    site = with_modules(*site_of(site_template, tmp_path / "site", "dask"))
    for name, text in SCHEDULER.items():
        (site.root / "bin" / name).write_text(text)
        (site.root / "bin" / name).chmod(0o755)
    site.done(commands("# workers.py"))
    place = site.here("/nodelocal/data-service")
    for origin, version in (("dist", "2026.7.0"), ("dist", "2026.7.0"), ("new", "2026.9.0")):
        site.done(f"cp {origin}/{TARBALL} /shared")
        assert f"['{place}']\n" == site.done("python workers.py")
        # Alone: Dask has an fsspec too.
        said = site.done("PYTHONPATH= /nodelocal/data-service/bin/python train.py")
        assert f"fsspec {version} " in said


def test_tasks_of_ray_run_in_the_environment(site_template: Site, tmp_path: Path) -> None:
    """The task says where it runs, twice."""
    site = with_modules(*site_of(site_template, tmp_path / "site", "ray"))
    site.done(commands("# tasks.py") + f"lading -q unpack dist/{TARBALL} /nodelocal/data-service")
    for _ in range(2):
        assert site.here("/nodelocal/data-service\n") == site.done("python tasks.py")


@pytest.fixture
def site(site_template: Site, tmp_path: Path) -> Site:
    """A site with PySpark; executors work in `spark/work`."""
    site, modules = site_of(site_template, tmp_path / "site", "spark")
    home = tmp_path / "spark"
    home.mkdir()
    for path in (modules / "pyspark").iterdir():
        (home / path.name).symlink_to(path)
    (home / "conf").mkdir()
    (home / "conf/spark-defaults.conf").write_text(SETTINGS)
    variables = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    return replace(site, variables={**site.variables, **variables})


def test_a_job_needs_no_step(site: Site, tmp_path: Path) -> None:
    """Executors run in the environment, which is relocated; again, and with a new version."""
    script = commands("lading pack", "# job.py", "python job.py")
    work = tmp_path / "spark/work"
    for version in ("2026.7.0", "2026.7.0", "2026.9.0"):
        site.done(f"sed -i 's/fsspec 2026.*]/fsspec {version}]/' environment.yml; lading -q lock")
        said = site.done(script).splitlines()[1:]
        executors = sorted(path.parent for path in work.glob("*/*/environment/share"))
        assert [f"fsspec {version} in {path}" for path in executors] == said
        assert [f"{path}\n" for path in executors] == [
            (path / "share/place").read_text() for path in executors
        ]
        shutil.rmtree(work)
