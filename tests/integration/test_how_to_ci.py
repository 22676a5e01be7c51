"""The jobs that the page on CI describes: their lines, run in new clones."""

import hashlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import yaml

from simulators.pages import PAGES, Site, read_blocks

TARBALL = "dist/data-service-linux-64.tar.zst"


def jobs() -> dict[str, list[str]]:
    """File → the lines that the job in it runs."""
    found = {}
    for block in read_blocks(PAGES / "how-to/pack-in-ci.md"):
        if block.language == "yaml":
            job = yaml.safe_load(block.text)
            job = job["jobs"]["pack"] if "jobs" in job else job["pack"]
            lines = job.get("script") or [step["run"] for step in job["steps"] if "run" in step]
            found[block.text.split()[1]] = lines
    return found


def test_the_jobs_do_the_same() -> None:
    """GitHub and GitLab run the same lines."""
    assert {".github/workflows/pack.yml", ".gitlab-ci.yml"} == set(jobs())
    assert jobs()[".github/workflows/pack.yml"] == jobs()[".gitlab-ci.yml"]


def test_a_job_runs_again(site_template: Site, tmp_path: Path) -> None:
    """A job packs; with its cache it needs no channel; a new lock is another tarball."""
    root = tmp_path / "site"
    shutil.copytree(site_template.root, root, symlinks=True)
    # What pip finds is installed already, for the python of the tests; it asks no index.
    variables = {**site_template.variables, "PIP_NO_INDEX": "1"}
    python = root / "bin/python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    origin = replace(site_template, root=root, variables=variables)
    commit = "git add -A; git -c user.name=x -c user.email=x commit -qm x\n"
    origin.done(
        "git init -qb main; printf '.lading\\ndist\\nnew\\n' > .gitignore\n"
        f"sed -i 's#{site_template.root}#{root}#' lading.toml\n{commit}"
    )
    [script, *_] = jobs().values()

    def run(name: str, cache: Path | None) -> str:
        """The digest of what a job packed, in a clone of this name and with a cache."""
        origin.done(f"git clone -q . ../{name}")
        if cache is not None:
            shutil.move(cache / ".lading", root / name)
        origin.done("\n".join([f"cd ../{name}", *script]))
        return digest(root / name / TARBALL)

    first = digest(origin.project / TARBALL)
    assert first == run("first", None)
    channel = (root / "channel").rename(root / "gone")
    assert first == run("again", root / "first")
    channel.rename(root / "channel")
    origin.done(f"sed -i s/2026.7/2026.9/ environment.yml; lading -q lock\n{commit}")
    assert digest(origin.project / "new" / Path(TARBALL).name) == run("newer", root / "again")


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
