"""The commands as a user runs them."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lading as package
from simulators.channel import CANONICAL, PLACEHOLDER, File, Package
from simulators.command import lading, start
from simulators.project import ENVIRONMENT, Project

PACKAGES = (
    Package(
        name="tool",
        files={
            "bin/tool": File(b"#!/bin/sh\necho at " + PLACEHOLDER + b"\n", mode=0o755, text=True),
            "share/both": b"tool",
        },
        depends=("library",),
    ),
    Package(name="library", files={"share/both": b"library", "share/own": b"x"}),
)
NAME = f"{ENVIRONMENT}-linux-64"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was packed as `tar.zst` and `tar.gz`."""
    root = tmp_path_factory.mktemp("project")
    made = Project.of(root, PACKAGES)
    mirrors = f"[mirrors]\n{json.dumps(CANONICAL)} = [{json.dumps(made.channel.url)}]\n"
    (root / "lading.toml").write_text(mirrors)
    assert 0 == lading(["install", ENVIRONMENT], root).code
    for format_ in ("tar.zst", "tar.gz"):
        done = lading(["pack", ENVIRONMENT, "-f", format_], root)
        assert 0 == done.code, done.stderr
    return root


def json_of(arguments: list[object], directory: Path) -> dict[str, object]:
    """The document that a command writes."""
    document: dict[str, object] = json.loads(lading(["--json", *arguments], directory).stdout)
    return document


def test_the_version(tmp_path: Path) -> None:
    """The version is one line on standard output, whichever way lading is started."""
    done = lading(["--version"], tmp_path)
    said = f"lading {package.__version__}\n"
    assert (0, said, "") == (done.code, done.stdout, done.stderr)
    assert said == subprocess.check_output([sys.executable, "-m", "lading", "--version"], text=True)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(tmp_path: Path, option: str) -> None:
    """Each command says what it does, on standard output."""
    for command in ("install", "pack", "unpack", "relocate", "verify"):
        done = lading([command, option], tmp_path)
        start = f"Usage: lading {command} "
        assert (0, start, "") == (done.code, done.stdout[: len(start)], done.stderr)


def test_no_command_prints_help(tmp_path: Path) -> None:
    """`lading` alone is a question, and no mistake."""
    done = lading([], tmp_path)
    assert (0, "Usage: lading ", "") == (done.code, done.stdout[:14], done.stderr)


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--verison", "hint: did you mean --version? see `lading --help`"),
        ("--platform", "hint: see `lading --help`"),
        ("--jso", "hint: did you mean --json? see `lading --help`"),
    ],
)
def test_a_misspelt_option(tmp_path: Path, option: str, hint: str) -> None:
    """Only what is spelt almost the same is suggested."""
    done = lading([option], tmp_path)
    assert (2, f"error: no such option: {option}\n{hint}\n") == (done.code, done.stderr)


def test_help_lists_every_command(tmp_path: Path) -> None:
    """The commands are listed without importing them."""
    done = lading(["--help"], tmp_path)
    listed = [
        line.split()[0]
        for line in done.stdout.partition("Commands:")[2].splitlines()
        if line.startswith("  ") and line[2] != " "
    ]
    assert {"install", "lock", "pack", "relocate", "unpack", "verify"} <= set(listed)


def test_installing_again_does_nothing(project: Path) -> None:
    """What is installed from this lock is told, and its prefix is data."""
    done = lading(["install", ENVIRONMENT], project)
    assert (0, f"{project}/build/{ENVIRONMENT}/linux-64/prefix\n") == (done.code, done.stdout)


def test_installing_as_json(project: Path) -> None:
    """The document names the environment, the prefix and what was clobbered."""
    document = json_of(["install", ENVIRONMENT], project)
    assert ("lading.install/1", ENVIRONMENT, 2, {"share/both": ["library", "tool"]}) == (
        document["schema"],
        document["environment"],
        document["packages"],
        document["clobbered"],
    )


def test_installing_by_force(project: Path, tmp_path: Path) -> None:
    """With --force a damaged prefix is made anew."""
    shutil.copytree(project / "locks", tmp_path / "locks")
    shutil.copy(project / "lading.toml", tmp_path)
    lading(["install", ENVIRONMENT], tmp_path)
    damaged = tmp_path / f"build/{ENVIRONMENT}/linux-64/prefix/bin/tool"
    damaged.unlink()
    before = lading(["verify", ENVIRONMENT], tmp_path).code
    lading(["install", "--force", ENVIRONMENT], tmp_path)
    assert (1, 0) == (before, lading(["verify", ENVIRONMENT], tmp_path).code)


def test_dry_runs(project: Path, tmp_path: Path) -> None:
    """They list what would be done, packages in order, and make nothing."""
    shutil.copytree(project / "locks", tmp_path / "locks")

    def listed(command: str, *more: object) -> list[str]:
        return lading([command, "--dry-run", *more], tmp_path).stdout.splitlines()

    tarball = project / f"dist/{NAME}.tar.zst"
    installed, packed = (listed(command, ENVIRONMENT) for command in ("install", "pack"))
    assert ["library-1.0-0", "tool-1.0-0"] == [line.split()[0] for line in installed]
    assert ["library", "tool"] == [line.split()[0] for line in packed]
    assert "0644            1 share/own" in listed("unpack", tarball, tmp_path / "env")
    assert ["locks"] == [path.name for path in tmp_path.iterdir()]
    prefix = unpacked(project, tmp_path / "env")
    assert ["bin/tool"] == listed("relocate", prefix)


def test_packing_as_json(project: Path) -> None:
    """The document has the paths and digests of what was written."""
    document = json_of(["pack", ENVIRONMENT, "-o", "as-json"], project)
    checked = subprocess.run(
        ["sha256sum", project / f"as-json/{NAME}.tar.zst"], check=True, capture_output=True
    )
    assert ("lading.pack/1", checked.stdout.decode().split()[0]) == (
        document["schema"],
        document["sha256"],
    )


def test_sha256sum_checks_it(project: Path) -> None:
    """A node with nothing but coreutils can check the payload."""
    done = subprocess.run(
        ["sha256sum", "-c", f"{NAME}.sha256"],
        cwd=project / "dist",
        check=False,
        capture_output=True,
    )
    assert 0 == done.returncode


def unpacked(project: Path, prefix: Path) -> Path:
    """An unpacked environment."""
    done = lading(["unpack", project / f"dist/{NAME}.tar.zst", prefix], project)
    assert (0, f"{prefix}\n") == (done.code, done.stdout), done.stderr
    return prefix


def test_unpacked_programs_run(project: Path, tmp_path: Path) -> None:
    """A program of the environment knows where it is."""
    prefix = unpacked(project, tmp_path / "env")
    done = subprocess.run([prefix / "bin/tool"], check=True, capture_output=True, text=True)
    assert f"at {prefix}\n" == done.stdout


def test_unpacking_as_json(project: Path, tmp_path: Path) -> None:
    """The document names the bill that was followed."""
    document = json_of(["unpack", project / f"dist/{NAME}.tar.zst", tmp_path / "env"], project)
    lines = (project / f"dist/{NAME}.sha256").read_text().splitlines()
    assert ("lading.unpack/1", lines[1].split()[0]) == (
        document["schema"],
        document["manifest_sha256"],
    )


def test_a_pinned_bill_is_accepted(project: Path, tmp_path: Path) -> None:
    """The digest may be written in either case."""
    digest = (project / f"dist/{NAME}.sha256").read_text().splitlines()[1].split()[0]
    arguments = ["unpack", project / f"dist/{NAME}.tar.zst", tmp_path / "env"]
    assert 0 == lading([*arguments, "--manifest-sha256", digest.upper()], project).code


def test_a_named_bill_is_followed(project: Path, tmp_path: Path) -> None:
    """The bill of a `tar.gz` may lie anywhere."""
    shutil.copy(project / f"dist/{NAME}.tar.gz", tmp_path / "x.tar.gz")
    shutil.copy(project / f"dist/{NAME}.tar.gz.manifest.json", tmp_path / "bill.json")
    arguments = ["unpack", "x.tar.gz", "env", "--manifest", "bill.json"]
    assert 0 == lading(arguments, tmp_path).code


def test_a_path_with_dots_is_made_plain(project: Path, tmp_path: Path) -> None:
    """What an environment is told of its place holds no `..`."""
    (tmp_path / "a").mkdir()
    done = lading(["unpack", project / f"dist/{NAME}.tar.zst", "../env"], tmp_path / "a")
    text = (tmp_path / "env/bin/tool").read_text()
    assert (f"{tmp_path}/env\n", True) == (done.stdout, f"at {tmp_path}/env\n" in text)


def test_a_home_is_expanded(project: Path, tmp_path: Path) -> None:
    """A tilde that the shell left is the home directory."""
    arguments = ["unpack", project / f"dist/{NAME}.tar.zst", "~/env"]
    assert f"{tmp_path}/env\n" == lading(arguments, project, {"HOME": str(tmp_path)}).stdout


@pytest.mark.parametrize("subject", [f"dist/{NAME}.tar.zst", f"dist/{NAME}.tar.gz", ENVIRONMENT])
def test_verifying_what_is_sound(project: Path, subject: str) -> None:
    """Tarballs and the installed environment are exactly what their bills say."""
    done = lading(["verify", subject], project)
    assert (0, "yes: ") == (done.code, done.stdout[:5])


def test_verifying_an_installed_prefix_by_its_path(project: Path) -> None:
    """The path of an installed prefix means the same as its name."""
    path = f"build/{ENVIRONMENT}/linux-64/prefix"
    assert "installed prefix" in lading(["verify", path], project).stdout


def test_verifying_what_was_changed(project: Path, tmp_path: Path) -> None:
    """The answer no has exit code 1, and every change is data."""
    prefix = unpacked(project, tmp_path / "env")
    (prefix / "share/own").write_bytes(b"y")
    (prefix / "share/both").unlink()
    (prefix / "mine").touch()
    (prefix / "bin/tool").chmod(0o644)
    done = lading(["--json", "verify", prefix], project)
    document = json.loads(done.stdout)
    assert (
        1,
        [
            ("modified", "bin/tool"),
            ("foreign", "mine"),
            ("missing", "share/both"),
            ("modified", "share/own"),
        ],
    ) == (
        done.code,
        [(item["rule"], item["path"]) for item in document["findings"]],
    )


def test_an_install_json_of_somebody_else(project: Path, tmp_path: Path) -> None:
    """A file of that name beside an unpacked environment is not taken for a bill."""
    (tmp_path / "install.json").write_text('{"mine": true}')
    assert 0 == lading(["verify", unpacked(project, tmp_path / "env")], project).code


@pytest.mark.parametrize("subject", ["nothing-at-all.tar.zst", "./nothing", "/no/where.tar"])
def test_verifying_a_missing_tarball(tmp_path: Path, subject: str) -> None:
    """It is a wrong input, and named."""
    done = lading(["verify", subject], tmp_path)
    assert (3, True) == (done.code, "No such file" in done.stderr)


@pytest.mark.parametrize("subject", ["nothing-at-all", "."])
def test_verifying_nothing(tmp_path: Path, subject: str) -> None:
    """What is neither tarball nor environment has neither yes nor no as its answer."""
    assert 8 == lading(["verify", subject], tmp_path).code


def test_relocating_is_idempotent(project: Path, tmp_path: Path) -> None:
    """After a move files are written once; the second time none."""
    unpacked(project, tmp_path / "env").rename(tmp_path / "new")
    written = [json_of(["relocate", tmp_path / "new"], project)["written"] for _ in range(2)]
    assert ([1, 0], 0) == (written, lading(["verify", tmp_path / "new"], project).code)


def test_relocating_something_else(tmp_path: Path) -> None:
    """A directory that lading did not unpack is refused."""
    assert 8 == lading(["relocate", "."], tmp_path).code


@pytest.mark.parametrize("variable", ["NO_COLOR", "NO_PROGRESS", "FORCE_COLOR"])
def test_no_colour_where_nobody_watches(project: Path, tmp_path: Path, variable: str) -> None:
    """Output that goes to a file has no escape sequences in it, whatever is asked for."""
    arguments = ["unpack", project / f"dist/{NAME}.tar.zst", tmp_path / "env"]
    done = lading(arguments, project, {variable: "1"})
    assert (0, False) == (done.code, "\x1b" in done.stdout + done.stderr)


def test_another_directory(project: Path, tmp_path: Path) -> None:
    """With -C the project lies elsewhere, and paths are relative to it."""
    done = lading(["-C", project, "verify", f"dist/{NAME}.tar.zst"], tmp_path)
    assert 0 == done.code


def test_another_package_cache(project: Path, tmp_path: Path) -> None:
    """With --pkgs-dir archives are kept elsewhere."""
    shutil.copytree(project / "locks", tmp_path / "locks")
    shutil.copy(project / "lading.toml", tmp_path)
    lading(["--pkgs-dir", "cache", "install", ENVIRONMENT], tmp_path)
    assert ["library-1.0-0.conda", "tool-1.0-0.conda"] == sorted(
        path.name for path in (tmp_path / "cache").glob("*.conda")
    )


def test_a_reader_that_goes_away(project: Path) -> None:
    """Where nobody reads the data any more, there is no traceback."""
    with start(["-q", "--json", "verify", f"dist/{NAME}.tar.zst"], project) as child:
        assert child.stdout is not None
        child.stdout.close()
        child.wait(timeout=60)
        assert child.stderr is not None
        assert "" == child.stderr.read()


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [("LADING_ENGINE", "pip", 2), ("LADING_MICROMAMBA", "/nonexistent", 5)],
)
def test_an_engine_that_is_not_there(
    project: Path, tmp_path: Path, variable: str, value: str, code: int
) -> None:
    """An engine that was chosen and is none is an error, not a reason to take another."""
    shutil.copytree(project / "locks", tmp_path / "locks")
    environment = {"LADING_ENGINE": "micromamba", variable: value}
    done = lading(["install", ENVIRONMENT], tmp_path, environment)
    assert (code, True) == (done.code, done.is_plain_error)


def test_no_micromamba(project: Path, tmp_path: Path) -> None:
    """Where micromamba was chosen and there is none, the hint says how to go on."""
    shutil.copytree(project / "locks", tmp_path / "locks")
    done = lading(["--engine", "micromamba", "install", ENVIRONMENT], tmp_path)
    assert (5, "error: there is no micromamba") == (done.code, done.error_lines[0])


def test_an_error_of_the_system_is_no_mistake(tmp_path: Path) -> None:
    """What the operating system refuses is told in a line, without a traceback."""
    gone = tmp_path / "gone"
    gone.mkdir()
    done = lading(["verify", "x"], gone, preparation=gone.rmdir)
    assert (71, True) == (done.code, done.is_plain_error)


@pytest.mark.parametrize(("variable", "shown"), [("X", True), ("NO_PROGRESS", False)])
def test_progress_on_a_terminal(
    project: Path, tmp_path: Path, variable: str, *, shown: bool
) -> None:
    """Who watches sees what is being done, unless they said that they do not want to."""
    watcher, terminal = os.openpty()
    source = project / f"dist/{NAME}.tar.zst"
    environment = {"TERM": "xterm", variable: "1"}
    child = start(["unpack", source, tmp_path / "env"], project, environment, errors=terminal)
    os.close(terminal)
    seen = b""
    with child:
        # Reading fails when nobody has the other end open any more.
        with contextlib.suppress(OSError):
            while data := os.read(watcher, 4096):
                seen += data
        child.communicate()
    os.close(watcher)
    assert (0, shown) == (child.returncode, b"\x1b[" in seen)
