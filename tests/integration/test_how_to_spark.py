"""What the page on Spark does, done by a real one with two executors.

PySpark is too large for CI. These tests run where `LADING_SPARK_PYTHON` names a python that has it:

    python3.11 -m venv /tmp/spark && /tmp/spark/bin/pip install pyspark
    LADING_SPARK_PYTHON=/tmp/spark/bin/python make test
"""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from simulators.pages import PAGES, Site, read_blocks

PYTHON = os.environ.get("LADING_SPARK_PYTHON")

SETTINGS = """\
spark.master local-cluster[2,1,1024]
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.ui.enabled false
spark.executor.memory 512m
"""


@pytest.fixture
def site(site_template: Site, tmp_path: Path) -> Site:
    """A site whose `python` has PySpark; executors work in `spark/work`."""
    if PYTHON is None:
        pytest.skip("LADING_SPARK_PYTHON names no python that has PySpark")
    find = "import pyspark; print(pyspark.__path__[0])"
    found = subprocess.run([PYTHON, "-c", find], capture_output=True, text=True, check=True)
    home = tmp_path / "spark"
    home.mkdir()
    for path in Path(found.stdout.strip()).iterdir():
        (home / path.name).symlink_to(path)
    (home / "conf").mkdir()
    (home / "conf/spark-defaults.conf").write_text(SETTINGS)
    root = tmp_path / "site"
    shutil.copytree(site_template.root, root, symlinks=True)
    python = root / "bin/python"
    python.write_text(f"#!/bin/sh\nexec '{PYTHON}' \"$@\"\n")
    python.chmod(0o755)
    variables = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    return replace(site_template, root=root, variables={**site_template.variables, **variables})


def test_a_job_needs_no_step(site: Site, tmp_path: Path) -> None:
    """Executors run in the environment, which is relocated; again, and with a new version."""
    blocks = read_blocks(PAGES / "how-to/spark-ray-dask.md")
    wanted = ("lading pack", "# job.py", "python job.py")
    script = "\n".join(item.commands() for item in blocks if item.text.startswith(wanted))
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
