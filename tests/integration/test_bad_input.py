"""Wrong input through the real command: one error, one hint, its exit code, nothing left behind."""

import http.server
import json
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from simulators.channel import CANONICAL, PLACEHOLDER, File, Package, Symlink
from simulators.command import Outcome, at_once, lading, listing
from simulators.project import ENVIRONMENT, Project
from simulators.webserver import Answer, running, serve, serve_directory

PACKAGES = (
    Package(
        name="tool",
        files={
            "bin/tool": File(b"#!/bin/sh\necho " + PLACEHOLDER + b"\n", mode=0o755, text=True),
            "lib/x.so": File(b"\x7fELF\0" + PLACEHOLDER + b"/lib\0", binary=True),
            "lib/link": Symlink("x.so"),
        },
    ),
    Package(name="library", files={"lib/library": bytes(range(256)) * 4000}),
)


def make_project(root: Path, mirrors: tuple[str, ...] | None = None) -> Project:
    """A locked project whose channel is found at `mirrors`."""
    project = Project.of(root, PACKAGES)
    locations = (project.channel.url,) if mirrors is None else mirrors
    (root / "lading.toml").write_text(f"[mirrors]\n{json.dumps(CANONICAL)} = {list(locations)!r}\n")
    return project


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was packed in every format; not to be changed."""
    project = make_project(tmp_path_factory.mktemp("packed"))
    for format_ in ("tar.zst", "tar.gz", "tar"):
        done = lading(["pack", ENVIRONMENT, "-f", format_], project.root)
        assert 0 == done.code, done.stderr
    return project


def tarball(project: Project, format_: str = "tar.zst") -> Path:
    """The tarball of a packed project."""
    return project.root / "dist" / f"{ENVIRONMENT}-linux-64.{format_}"


def copy_to(directory: Path, project: Project, format_: str) -> Path:
    """A copy of a tarball, with its bill where it has none inside, without its digests."""
    source = tarball(project, format_)
    target = directory / source.name
    target.write_bytes(source.read_bytes())
    bill = source.with_name(f"{source.name}.manifest.json")
    if bill.exists():
        target.with_name(bill.name).write_bytes(bill.read_bytes())
    return target


def refused(outcome: Outcome, code: int) -> bool:
    """Whether a command ended with this exit code and a plain error."""
    return outcome.code == code and outcome.is_plain_error


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.unlink(), "is not locked for"),
        (lambda path: path.write_text(path.read_text()[:300]), "is no"),
        (lambda path: path.write_text(""), "is not a lockfile"),
        (
            lambda path: path.write_text(f"a\n<<<<<<< HEAD\n{path.read_text()}\n>>>>>>> x\n"),
            "holds merge conflict markers",
        ),
        (
            lambda path: path.write_text(
                path.read_text().replace('"version": 1,', '"version": 9,', 1)
            ),
            "has format version 9",
        ),
        (lambda path: path.write_bytes(b"\xff\xfe\0"), "is not valid YAML"),
    ],
    ids=["missing", "truncated", "empty", "merge markers", "version", "binary"],
)
def test_a_wrong_lock(tmp_path: Path, change: Callable[[Path], object], words: str) -> None:
    """A lock that cannot be used is refused, and nothing is made."""
    project = make_project(tmp_path)
    change(project.lock)
    before = listing(tmp_path)
    done = lading(["install", ENVIRONMENT], tmp_path)
    assert (True, True, before) == (
        refused(done, 3),
        words in done.error_lines[0],
        listing(tmp_path),
    )


def test_a_platform_that_is_not_locked(tmp_path: Path) -> None:
    """Another platform than the one of the lock is refused."""
    project = make_project(tmp_path)
    before = listing(tmp_path)
    done = lading(["install", project.lock, "-p", "osx-arm64"], tmp_path)
    assert (True, before) == (refused(done, 3), listing(tmp_path))


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "a/b", "..", ""])
def test_what_is_no_name(tmp_path: Path, name: str) -> None:
    """A name with a path in it is not an environment."""
    make_project(tmp_path)
    assert refused(lading(["install", name], tmp_path), 2)


def test_a_wrong_configuration(tmp_path: Path) -> None:
    """A configuration that cannot be read is refused by every command."""
    make_project(tmp_path)
    (tmp_path / "lading.toml").write_text("mirrors = 3\n")
    assert refused(lading(["install", ENVIRONMENT], tmp_path), 3)


def leftovers(project: Project) -> list[str]:
    """What a failed installation must not leave: a prefix, a bill, half an archive."""
    return [
        path
        for path in listing(project.root)
        if (path.endswith(("prefix", "install.json", ".conda")) and not path.startswith("channel/"))
        or ".fetch-" in path
        or ".lading-" in path
    ]


@pytest.mark.parametrize("piece", [slice(None, None, -1), slice(-10)], ids=["other", "cut off"])
def test_a_wrong_archive(tmp_path: Path, piece: slice) -> None:
    """An archive that changed after it was locked is refused."""
    project = make_project(tmp_path)
    for archive in project.channel.archives().values():
        archive.write_bytes(archive.read_bytes()[piece])
    assert (True, []) == (
        refused(lading(["install", ENVIRONMENT], tmp_path), 7),
        leftovers(project),
    )


@contextmanager
def dropping(directory: Path) -> Iterator[str]:
    """The URL of a server that closes the connection in the middle of each file."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = (directory / self.path.lstrip("/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    with running(Handler) as url:
        yield url


def test_servers_that_fail(tmp_path: Path) -> None:
    """What each did is told apart, and nothing half is left; where another mirror has it, all is.

    A download that ends half way leaves a part for the next run.
    """
    channel = Project.of(tmp_path / "origin", PACKAGES).channel.root
    with (
        serve({"*": Answer(b"", status=500)}) as failing,
        serve({"*": Answer(b"<html>Sign in</html>", "text/html")}) as asking,
        serve({}) as empty,
        dropping(channel) as weak,
        serve_directory(channel) as good,
    ):
        with serve({}) as gone:
            pass
        servers = ((failing,), (asking,), (empty,), (gone,), (weak,), (empty, weak, good))
        projects = [
            make_project(tmp_path / str(number), mirrors) for number, mirrors in enumerate(servers)
        ]
        done = at_once(partial(lading, ["install", ENVIRONMENT], item.root) for item in projects)
    assert [6, 7, 6, 6, 6, 0] == [item.code for item in done]
    assert all(item.is_plain_error for item in done[:-1]), done
    assert "Connection refused" in done[3].error_lines[0]
    left = [path for item in projects[:-1] for path in leftovers(item)]
    assert all("/.fetch-" in path for path in left), left


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_a_destination_that_exists(packed: Project, tmp_path: Path, kind: str) -> None:
    """A directory with something in it, a file or a dangling link is not replaced."""
    match kind:
        case "directory":
            (tmp_path / "env").mkdir()
            (tmp_path / "env/mine").write_text("mine")
        case "file":
            (tmp_path / "env").write_text("mine")
        case _:
            (tmp_path / "env").symlink_to("nowhere")
    before = listing(tmp_path)
    done = lading(["unpack", tarball(packed), tmp_path / "env"], tmp_path)
    assert (True, before) == (refused(done, 8), listing(tmp_path))


@pytest.mark.parametrize(
    "name",
    [
        "/".join(["directory"] * 40),
        "line\nbreak",
        "x" * 300,
        b"\xff\xfe".decode(errors="surrogateescape"),
    ],
    ids=["too long for a placeholder", "line break", "too long a name", "no UTF-8"],
)
def test_a_prefix_that_cannot_be(packed: Project, tmp_path: Path, name: str) -> None:
    """A path that cannot stand in scripts and binaries is refused before a byte is written."""
    done = lading(["unpack", tarball(packed), f"{tmp_path}/{name}"], tmp_path)
    assert (True, []) == (refused(done, 8), listing(tmp_path))


@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz", "tar"])
@pytest.mark.parametrize("size", [0, 100, -1])
def test_a_truncated_tarball(packed: Project, tmp_path: Path, format_: str, size: int) -> None:
    """A tarball that is cut off anywhere is refused, with and without its bill beside it."""
    path = copy_to(tmp_path, packed, format_)
    path.write_bytes(path.read_bytes()[:size])
    before = listing(tmp_path)
    done = lading(["unpack", path, tmp_path / "deep/env"], tmp_path)
    assert (True, before) == (refused(done, 7), listing(tmp_path))


@pytest.mark.parametrize("format_", ["tar.zst", "tar.gz", "tar"])
def test_a_tarball_without_its_companions(packed: Project, tmp_path: Path, format_: str) -> None:
    """Every format carries its bill inside: one file is enough."""
    path = tmp_path / "alone"
    path.write_bytes(copy_to(tmp_path, packed, format_).read_bytes())
    assert 0 == lading(["unpack", path, tmp_path / "env"], tmp_path).code


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "null"])
def test_a_damaged_bill_beside(packed: Project, tmp_path: Path, text: str) -> None:
    """A bill that is named and is none is a wrong input file."""
    path = copy_to(tmp_path, packed, "tar.gz")
    bill = path.with_name(f"{path.name}.manifest.json")
    bill.write_text(text)
    before = listing(tmp_path)
    done = lading(["unpack", path, tmp_path / "env", "--manifest", bill], tmp_path)
    assert (True, before) == (refused(done, 3), listing(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"text\n" * 100])
def test_what_is_no_tarball(tmp_path: Path, content: bytes) -> None:
    """Other files are refused, whatever their name says."""
    (tmp_path / "x.tar.zst").write_bytes(content)
    done = lading(["unpack", "x.tar.zst", "env"], tmp_path)
    assert (True, ["x.tar.zst"]) == (refused(done, 7), listing(tmp_path))


@pytest.mark.parametrize("name", ["missing.tar.zst", "."])
def test_no_tarball_at_all(tmp_path: Path, name: str) -> None:
    """A path without a file, and a directory, are refused."""
    assert (True, []) == (
        refused(lading(["unpack", name, "env"], tmp_path), 3),
        listing(tmp_path),
    )


def test_digests_beside_are_believed(packed: Project, tmp_path: Path) -> None:
    """A bill that the digests beside the tarball do not name is refused."""
    path = copy_to(tmp_path, packed, "tar.zst")
    name = path.name.replace(".tar.zst", ".manifest.json")
    path.with_name(path.name.replace(".tar.zst", ".sha256")).write_text(f"{'0' * 64}  {name}\n")
    assert refused(lading(["unpack", path, tmp_path / "env"], tmp_path), 7)


@pytest.mark.parametrize("digest", ["0" * 64, "", "short"])
def test_a_pinned_bill(packed: Project, tmp_path: Path, digest: str) -> None:
    """Another bill than the one that was asked for is refused, an unset variable included."""
    arguments = ["unpack", tarball(packed), tmp_path / "env", "--manifest-sha256", digest]
    assert (True, []) == (refused(lading(arguments, tmp_path), 7), listing(tmp_path))


@pytest.mark.parametrize(
    "arguments",
    [
        ["unpack", "x"],
        ["nonsense"],
        ["install", "a", "--nonsense"],
        ["pack", "a", "-f", "zip"],
        ["-C", "missing", "install", "a"],
        ["install", "a", "-p", "linux-65"],
        ["unpack", "~nobody-at-all/x", "y"],
        ["--engine", "pip", "install", "a"],
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str]) -> None:
    """What cannot be meant has exit code 2, an error and a hint."""
    done = lading(arguments, tmp_path)
    assert (True, []) == (refused(done, 2), listing(tmp_path))


def test_an_error_is_data_too(tmp_path: Path) -> None:
    """With --json the error is a document on standard output, wrong usage as well."""
    done = lading(["--json", "install", "nothing"], tmp_path)
    document = json.loads(done.stdout)
    assert ("lading.error/1", "LockError", 3, True) == (
        document["schema"],
        document["error"],
        document["exit_code"],
        refused(done, 3),
    )
    done = lading(["--json", "install", "--nonsense"], tmp_path)
    assert ("UsageError", 2) == (json.loads(done.stdout)["error"], done.code)


@pytest.mark.parametrize(
    ("command", "name", "code"), [("install", "build", 8), ("pack", "dist", 9)]
)
def test_a_directory_that_cannot_be_made(
    tmp_path: Path, command: str, name: str, code: int
) -> None:
    """A file in its place is an error of the prefix, or of shipping."""
    make_project(tmp_path)
    (tmp_path / name).write_text("")
    assert refused(lading([command, ENVIRONMENT], tmp_path), code)


def test_a_wrong_source_date_epoch(tmp_path: Path) -> None:
    """A time that is not a number is refused before anything is installed."""
    make_project(tmp_path)
    done = lading(["pack", ENVIRONMENT], tmp_path, {"SOURCE_DATE_EPOCH": "yesterday"})
    assert (True, False) == (refused(done, 2), (tmp_path / "build").exists())


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    """It is told in a line; commands that need no home do not mind."""
    project = make_project(tmp_path / "project")
    (tmp_path / "home").touch()
    home = {"HOME": str(tmp_path / "home")}
    source = f"name: x\nchannels: ['{project.channel.url}']\ndependencies: [library]\n"
    (project.root / "environment.yml").write_text(source)
    done = [
        lading(words, project.root, home)
        for words in (["lock"], ["install", ENVIRONMENT], ["verify", "x.tar"], ["tree"])
    ]
    assert all(item.code == 0 or item.is_plain_error for item in done), done


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
@pytest.mark.parametrize("megabytes", [60, 80])
def test_too_little_memory(packed: Project, tmp_path: Path, megabytes: int) -> None:
    """It is said, without a traceback."""
    limit = (megabytes << 20, megabytes << 20)
    done = lading(
        ["verify", tarball(packed)],
        tmp_path,
        preparation=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )
    assert done.code == 0 or refused(done, 71), done


@pytest.mark.parametrize(
    "arguments",
    [
        ["unpack", "missing.tar.zst", "env"],
        ["unpack", "missing.json", "env"],
        ["unpack", "-", "env", "--manifest", "missing.json"],
        ["verify", "missing.tar.zst"],
        ["verify", "missing/env"],
        ["fetch-frames", "missing.json", "missing.json", "missing.tar.zst", "--store", "store"],
        ["diff", "missing.yml", "missing.yml"],
        ["install", "missing.yml"],
        ["lock", "missing.yml"],
        ["lock", "-f", "missing.yml"],
    ],
)
def test_a_file_that_is_missing(tmp_path: Path, arguments: list[str]) -> None:
    """An input file that is not there has exit code 3, and its name is in the message."""
    done = lading(arguments, tmp_path)
    assert (True, []) == (refused(done, 3), listing(tmp_path)), done
    assert "missing" in done.error_lines[0]
