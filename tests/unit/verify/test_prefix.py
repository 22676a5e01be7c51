"""Compare a prefix with its bill."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from lading.conda.paths import FileMode
from lading.errors import DigestMismatchError, ManifestError, NotAPrefixError
from lading.format.relocation import MANIFEST_PATH, RECORD_PATH, STATE_PATH
from lading.install.record import list_files
from lading.node.relocate import apply_relocate, plan_relocate
from lading.system.filesystem import no_sync
from lading.verify.finding import Report
from lading.verify.prefix import (
    read_prefix_contents,
    verify_installed,
    verify_unpacked,
)
from simulators.handmade import file, installed, link, pack, payload, unpack

OLD = "/build/" + "placeholder" * 20
TEXT = f"a={OLD}/x\nb={OLD}\n".encode()


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An unpacked environment of one package."""
    source = tmp_path / "source"
    package = payload(
        file("bin/run", b"run", executable=True),
        file("etc/conf", TEXT, placeholder=OLD, directory=source),
        file(
            "lib/x.so",
            b"\0" + OLD.encode() + b"\0",
            placeholder=OLD,
            mode=FileMode.BINARY,
            directory=source,
        ),
        file("lib/plain", b"plain"),
        link("lib/link", "plain"),
    )
    return unpack(pack(tmp_path / "dist", package).plan.tarball, tmp_path / "env")


def verify(prefix: Path, *, quick: bool = False, workers: int = 2) -> Report:
    """The report of verifying `prefix` by the manifest in it."""
    contents = read_prefix_contents(prefix, None)
    return verify_unpacked(prefix, contents, workers=workers, quick=quick)


def found(report: Report) -> list[tuple[str, str, str]]:
    """Rule, path and owner of each finding."""
    return [(str(item.rule), item.path, item.owner) for item in report.findings]


@pytest.mark.parametrize("quick", [False, True])
def test_what_was_unpacked_is_clean(prefix: Path, *, quick: bool) -> None:
    """An environment that nobody touched is exactly what its bill says."""
    report = verify(prefix, quick=quick)
    assert (True, [], "sample", "linux-64") == (
        report.is_clean,
        found(report),
        report.environment,
        report.platform,
    )


def rewrite(path: Path, data: bytes) -> None:
    """Write `data` to a file, its times as they were."""
    times = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def lengthen(path: Path) -> None:
    """Add a byte and set the time back."""
    rewrite(path, path.read_bytes() + b"x")


def relink(path: Path) -> None:
    """Let a link lead elsewhere."""
    path.unlink()
    path.symlink_to("x.so")


def become_directory(prefix: Path) -> None:
    """Make a directory of a file."""
    (prefix / "lib/plain").unlink()
    (prefix / "lib/plain").mkdir()


def become_endless(path: Path, kind: str) -> None:
    """Make of a file what can be read forever: nobody writes into the pipe."""
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")


CHANGES: dict[str, tuple[Callable[[Path], object], tuple[str, str, str]]] = {
    "content": (
        lambda prefix: rewrite(prefix / "lib/plain", b"PLAIN"),
        ("modified", "lib/plain", "tool"),
    ),
    "size": (
        lambda prefix: (prefix / "lib/plain").write_bytes(b"plain and more"),
        ("modified", "lib/plain", "tool"),
    ),
    "mode": (lambda prefix: (prefix / "bin/run").chmod(0o644), ("modified", "bin/run", "tool")),
    "link": (lambda prefix: relink(prefix / "lib/link"), ("modified", "lib/link", "tool")),
    "directory": (become_directory, ("modified", "lib/plain", "tool")),
    "pipe": (
        lambda prefix: become_endless(prefix / "lib/plain", "pipe"),
        ("modified", "lib/plain", "tool"),
    ),
    "missing": (lambda prefix: (prefix / "lib/plain").unlink(), ("missing", "lib/plain", "tool")),
    "missing link": (
        lambda prefix: (prefix / "lib/link").unlink(),
        ("missing", "lib/link", "tool"),
    ),
    "foreign": (lambda prefix: (prefix / "lib/mine").touch(), ("foreign", "lib/mine", "")),
    "foreign link": (
        lambda prefix: (prefix / "mine").symlink_to("lib"),
        ("foreign", "mine", ""),
    ),
    "other prefix": (
        lambda prefix: rewrite(
            prefix / "etc/conf", TEXT.replace(OLD.encode(), b"/evil/place/of/no/length")
        ),
        ("modified", "etc/conf", "tool"),
    ),
    "other prefix of one length": (
        lambda prefix: rewrite(
            prefix / "etc/conf",
            TEXT.replace(OLD.encode(), b"/evil".ljust(len(bytes(prefix)), b"e")),
        ),
        ("modified", "etc/conf", "tool"),
    ),
    "relocated text": (
        lambda prefix: rewrite(
            prefix / "etc/conf", (prefix / "etc/conf").read_bytes().replace(b"a=", b"c=")
        ),
        ("modified", "etc/conf", "tool"),
    ),
    "history": (
        lambda prefix: (prefix / "conda-meta/history").write_text("x"),
        ("modified", "conda-meta/history", ""),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found(prefix: Path, name: str) -> None:
    """Every change is one finding, with the package that owns the path."""
    change, expected = CHANGES[name]
    change(prefix)
    report = verify(prefix)
    assert ([expected], False) == (found(report), report.is_clean)


def test_bytecode_is_noted(prefix: Path) -> None:
    """What python writes beside its sources is told and does no harm."""
    (prefix / "lib/__pycache__").mkdir()
    (prefix / "lib/__pycache__/m.cpython-311.pyc").touch()
    report = verify(prefix)
    assert (True, ["note"]) == (report.is_clean, [str(item.severity) for item in report.findings])


def test_a_directory_that_became_a_link_is_found(prefix: Path) -> None:
    """A tree that was moved away and linked to is not what was unpacked."""
    (prefix / "lib").rename(prefix.parent / "lib")
    (prefix / "lib").symlink_to(prefix.parent / "lib")
    assert ("foreign", "lib", "") in found(verify(prefix))


def test_it_may_be_moved(prefix: Path) -> None:
    """The bill holds at every place that the environment was relocated to."""
    prefix.rename(prefix.parent / "new")
    apply_relocate(plan_relocate(prefix.parent / "new", no_sync))
    assert [] == found(verify(prefix.parent / "new"))


def test_a_move_alone_is_no_change(prefix: Path) -> None:
    """An environment that was moved and not yet relocated has the contents of its bill."""
    prefix.rename(prefix.parent / "new")
    assert [] == found(verify(prefix.parent / "new"))


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_a_damaged_record_is_a_finding(prefix: Path, damage: Callable[[Path], object]) -> None:
    """Without the relocation record the answer is no, with the files that cannot be judged."""
    damage(prefix / RECORD_PATH)
    assert {RECORD_PATH, "etc/conf", "lib/x.so"} == {path for _, path, _ in found(verify(prefix))}


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (lengthen, "lib/plain", "its size was changed"),
        # It follows from the lengths of the placeholder and the prefix.
        (lengthen, "etc/conf", "its size was changed"),
        (lengthen, "lib/x.so", "its size was changed"),
        (lambda path: path.write_bytes(b"PLAIN"), "lib/plain", "its time was changed"),
        (lambda path: path.chmod(0o755), "lib/plain", "its mode was changed"),
        (lambda path: path.unlink(), "lib/plain", "it is missing"),
        (lambda path: path.touch(), "lib/mine", "it is not on the bill"),
        (relink, "lib/link", "its target was changed"),
    ],
)
def test_what_a_quick_look_finds(
    prefix: Path, change: Callable[[Path], object], path: str, message: str
) -> None:
    """All but another content of the same size and time."""
    change(prefix / path)
    findings = verify(prefix, quick=True).findings
    assert [(path, message)] == [(item.path, item.message) for item in findings]


def test_what_a_quick_look_does_not_find(prefix: Path) -> None:
    """A content of the same size with the same time is not noticed, and that is the bargain."""
    rewrite(prefix / "lib/plain", b"PLAIN")
    assert [] == found(verify(prefix, quick=True))


def test_a_changed_manifest_is_refused(prefix: Path) -> None:
    """The bill in a prefix must be the one that was unpacked."""
    path = prefix / MANIFEST_PATH
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ManifestError, match="is not the manifest that was unpacked"):
        read_prefix_contents(prefix, None)


def test_a_manifest_may_be_named(prefix: Path, tmp_path: Path) -> None:
    """The bill of the tarball serves where the prefix has none."""
    (prefix / MANIFEST_PATH).unlink()
    (prefix / STATE_PATH).unlink()
    manifest = tmp_path / "dist/sample-linux-64.manifest.json"
    found = read_prefix_contents(prefix, manifest).bill
    assert manifest.read_bytes() == found.document


@pytest.mark.parametrize("name", ["conda/tool", "environment"])
def test_a_list_that_was_changed_is_refused(prefix: Path, name: str) -> None:
    """It is compared with the bill, so nobody hides a file by striking it off."""
    path = prefix / f"conda-meta/lading/files/{name}.json"
    path.write_bytes(path.read_bytes().replace(b'"mode":"0644"', b'"mode":"0755"'))
    with pytest.raises(DigestMismatchError, match="the file list of"):
        read_prefix_contents(prefix, None)


@pytest.mark.parametrize("path", [MANIFEST_PATH, "conda-meta/lading/files/environment.json"])
def test_a_missing_record_is_named(prefix: Path, path: str) -> None:
    """Without it nothing can be verified."""
    (prefix / path).unlink()
    with pytest.raises(ManifestError, match=rf"{path}: No such file"):
        read_prefix_contents(prefix, None)


def test_another_directory_is_no_environment(tmp_path: Path) -> None:
    """A directory without `conda-meta` is told from an environment without a bill."""
    with pytest.raises(NotAPrefixError, match="is not an environment"):
        read_prefix_contents(tmp_path, None)


def place(prefix: Path) -> Report:
    """The report on an installed prefix of one file and one link."""
    package = payload(file("a", b"x"), link("l", "a"))
    bill = installed([package]).record
    return verify_installed(prefix, replace(bill, listed=list_files([package], prefix)))


def test_an_installed_prefix(tmp_path: Path) -> None:
    """An installed prefix is compared with its install record."""
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "l").symlink_to("a")
    report = place(tmp_path)
    assert ([], 2, "installed prefix") == (found(report), report.checked, report.kind)


def test_a_changed_installed_prefix(tmp_path: Path) -> None:
    """Its changes are found in the same way."""
    (tmp_path / "a").write_bytes(b"y")
    (tmp_path / "foreign").touch()
    assert [
        ("modified", "a", "tool"),
        ("foreign", "foreign", ""),
        ("missing", "l", "tool"),
    ] == found(place(tmp_path))


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("workers", [2, 8])
def test_threads_find_the_same(tmp_path: Path, workers: int, *, quick: bool) -> None:
    """In the same order, of more files than one thread looks at in one go."""
    many = payload(*(file(f"share/{number}", b"x" * number) for number in range(600)))
    place = unpack(pack(tmp_path / "tarballs", many).plan.tarball, tmp_path / "prefix")
    for number in range(0, 600, 50):
        lengthen(place / f"share/{number}")
    one, several = (verify(place, workers=count, quick=quick) for count in (1, workers))
    assert (12, one) == (len(one.findings), several)


def test_deep_directories_are_walked(prefix: Path) -> None:
    """Deeper than functions may call themselves."""
    descriptor = os.open(prefix, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("mine", os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)
    try:
        assert [f"{'d/' * 1100}mine"] == [item.path for item in verify(prefix).findings]
    finally:
        # Neither can functions that call themselves remove it.
        subprocess.run(["rm", "-r", prefix / "d"], check=True)


@pytest.mark.parametrize("path", [MANIFEST_PATH, STATE_PATH])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_records_that_never_end_are_not_read(prefix: Path, path: str, kind: str) -> None:
    """They are refused."""
    become_endless(prefix / path, kind)
    with pytest.raises((ManifestError, NotAPrefixError)):
        verify(prefix)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_files_that_never_end_are_not_read(prefix: Path, kind: str) -> None:
    """They are findings, like the relocation record itself."""
    for path in ("etc/conf", "lib/plain", RECORD_PATH):
        become_endless(prefix / path, kind)
    assert {"etc/conf", "lib/plain", RECORD_PATH} <= {item.path for item in verify(prefix).findings}
