"""What a newcomer meets first: mistakes, closed and full streams, the Tab key."""

import os
import shutil
from pathlib import Path

import pytest

from simulators.pages import Site

TARBALL = "dist/data-service-linux-64.tar.zst"
# Root may read everything, unless it gives that up.
_RIGHTS = "-dac_override,-dac_read_search"
UNPRIVILEGED = f"setpriv --bounding-set {_RIGHTS}" if os.geteuid() == 0 else ""


@pytest.fixture
def site(site_template: Site) -> Site:
    """The site of all pages: nothing here changes it."""
    return site_template


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(site: Site, closed: str) -> None:
    """What nobody reads is left out; the exit code says the same."""
    for command, code in ((f"verify {TARBALL}", 0), ("nonsense", 2), ("--help", 0)):
        done = site.run(f"lading {command} {closed}")
        assert (code, False) == (done.code, "Traceback" in done.stderr), command
    done = site.run(f"lading unpack - ../nowhere {closed} <&-")
    assert (7, False) == (done.code, "Traceback" in done.stderr)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("lading info > /dev/full", 71, "error: standard output: No space left on device"),
        ("lading --help > /dev/full", 71, "error: standard output: No space left on device"),
        ("lading --json nonsense > /dev/full", 2, "error: there is no command nonsense"),
        ("lading nonsense 2> /dev/full", 2, ""),
        ("lading pack -o /dev/full", 9, "/dev/full is not a directory"),
    ],
)
def test_a_full_device_is_an_error(site: Site, command: str, code: int, said: str) -> None:
    """Python does not complain in addition, and does not change the exit code."""
    done = site.run(command)
    assert (code, True, False) == (done.code, said in done.stderr, "Exception" in done.stderr)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("lading unp", ["plain,unpack"]),
        ("lading pack d", ["file,d", "plain,data-service"]),
        ("lading unpack dist/", ["file,dist/"]),
        ("lading verify --manifest x", ["file,x"]),
        ("lading pack -p linux-6", ["plain,linux-64"]),
        ("lading lock --sha", []),
    ],
)
def test_the_tab_key_offers_what_fits(site: Site, words: str, offered: list[str]) -> None:
    """Commands, environments that are locked, platforms, and files."""
    ask = f"_LADING_COMPLETE=bash_complete COMP_CWORD={len(words.split()) - 1}"
    done = site.run(f"{ask} COMP_WORDS='{words}' lading")
    assert (0, offered) == (done.code, done.stdout.split())


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("why panda", 3, "did you mean pandas?"),
        ("run data-service true", 8, "data-service is locked, but not installed"),
        ("relocate train.py", 8, "train.py is not a directory"),
        (f"unpack --store train.py {TARBALL} ../x", 2, "train.py cannot be a store"),
        (f"run --store train.py {TARBALL} true", 2, "train.py cannot be a store"),
        ("diff HEAD:data-service data-service", 3, "HEAD is not a revision"),
    ],
)
def test_a_mistake_is_met_with_the_next_action(
    site: Site, command: str, code: int, said: str
) -> None:
    """The message names the thing, the hint what to do."""
    done = site.run(f"lading {command}")
    assert (code, True, True) == (done.code, said in done.stderr, "hint: " in done.stderr)


def test_an_installer_is_told_from_a_tarball(site: Site, tmp_path: Path) -> None:
    """It ends as the tarball in it, whose places do not count from its beginning."""
    name = shutil.copytree(site.project, tmp_path / "project", symlinks=True)
    site.done(f"cd {name}; lading pack --installer data-service")
    for command in ("verify", "preflight", "manifest"):
        done = site.run(f"cd {name}; lading {command} dist/data-service-linux-64.sh")
        assert (7, True) == (done.code, "is an installer, not a tarball" in done.stderr)
    listed = site.done(f"cd {name}; lading info | grep ^artifact")
    assert ["data-service-linux-64.sh", "data-service-linux-64.tar.zst"] == [
        line.split()[1] for line in listed.splitlines()
    ]


@pytest.mark.parametrize(
    ("path", "commands"),
    [
        ("environment.yml", ["lock", "lock --check"]),
        (
            "locks/data-service/linux-64.conda-lock.yml",
            ["pack", "lock", "lock --check", "diff {0} {0}"],
        ),
        ("locks/data-service", ["pack", "lock", "info", "diff data-service data-service"]),
        ("locks", ["pack", "lock", "lock --check", "install", "list", "info"]),
        (TARBALL, ["verify {0}", "unpack {0} ../somewhere", "preflight {0}", "run {0} true"]),
    ],
)
def test_what_may_not_be_read_is_named(
    site: Site, tmp_path: Path, path: str, commands: list[str]
) -> None:
    """The hint is about permissions, not about making a file that is there."""
    project = shutil.copytree(site.project, tmp_path / "project", symlinks=True)
    (project / path).chmod(0)
    for command in commands:
        done = site.run(f"cd {project}; {UNPRIVILEGED} lading {command.format(path)}")
        said = [line for line in done.stderr.splitlines() if line.startswith(("error", "hint"))]
        assert (True, True) == (Path(path).name in said[0], "permissions" in said[1]), said


@pytest.mark.parametrize(
    ("path", "command"),
    [
        (".lading/conda-lock", "lock environment.yml"),
        ("locks", "adopt locks/data-service/linux-64.conda-lock.yml -n other"),
    ],
)
def test_what_may_not_be_written_is_named(
    site: Site, tmp_path: Path, path: str, command: str
) -> None:
    """By its own name, not by that of a temporary."""
    project = shutil.copytree(site.project, tmp_path / "project", symlinks=True)
    (project / path).chmod(0o555)
    done = site.run(f"cd {project}; {UNPRIVILEGED} lading {command}")
    said = f"error: cannot write {project / path}"
    assert (3, True, False) == (done.code, said in done.stderr, ".ask" in done.stderr), done.stderr
