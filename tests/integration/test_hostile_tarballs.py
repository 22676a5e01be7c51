"""Tarballs that were damaged or made to do harm: refused, and nothing is written."""

import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.cli.app import run
from lading.format.bill import beside
from lading.format.compression import Format
from lading.format.opening import open_tarball
from simulators.command import listing
from simulators.forgery import Document, Forged, Forgery, forged_file, forged_link, tar_header
from simulators.handmade import file, link, pack, payload
from simulators.versions import flip_bit

FLIPS = 100
OLD = "/placeholder" * 10


def device(name: str, kind: bytes) -> bytes:
    """The header of a device, a pipe or a hard link."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "../../etc/passwd" if kind == tarfile.LNKTYPE else ""
    return info.tobuf(tarfile.PAX_FORMAT)


def unlisted(member: Forged) -> Forged:
    """A member that is not on the bill."""
    return Forged(member.header, member.content, None)


def only_billed(member: Forged) -> Forged:
    """A member that is on the bill alone."""
    return Forged(b"", b"", member.entry)


HARMLESS = forged_file("harmless")

FORGERIES: dict[str, tuple[Forged, ...]] = {
    "parent": (forged_file("../evil"),),
    "parent inside": (forged_file("a/../../evil"),),
    "absolute": (forged_file("/evil"),),
    "dot": (forged_file("./a"),),
    "empty name": (forged_file(""),),
    "zero byte": (forged_file("a\0b", header=tar_header("a")),),
    "link out": (forged_link("a", "../../evil"),),
    "absolute link": (forged_link("a", "/evil"),),
    "file through a link": (forged_link("a", "../outside"), forged_file("a/evil")),
    "file through an inner link": (forged_link("a", "."), forged_file("a/evil")),
    "links out together": (forged_link("d/up", ".."), forged_link("x", "d/up/../evil")),
    "file below a file": (forged_file("a"), forged_file("a/b")),
    "hard link": (forged_file("a", b"", device("a", tarfile.LNKTYPE)),),
    "device": (forged_file("a", b"", device("a", tarfile.CHRTYPE)),),
    "pipe": (forged_file("a", b"", device("a", tarfile.FIFOTYPE)),),
    "another name": (forged_file("a", b"x", tar_header("../evil", 1)),),
    "link instead": (forged_file("a", b"", forged_link("a", "/etc").header),),
    "twice": (forged_file("a", b"1"), forged_file("a", b"2")),
    "twice in the tar": (forged_file("a"), unlisted(forged_file("a"))),
    "not on the bill": (HARMLESS, unlisted(forged_file("evil"))),
    "not in the tar": (HARMLESS, only_billed(forged_file("gone"))),
    "own manifest": (forged_file("conda-meta/lading/manifest.json"),),
    "own list": (forged_file("conda-meta/lading/files/environment.json"),),
    "link with content": (
        Forged(forged_link("a", "b").header, b"x", forged_link("a", "b").entry | {"size": 1}),
    ),
    "own state": (forged_file("conda-meta/lading/state.json"),),
    "no directory": (forged_file("conda-meta"),),
    "link for a directory": (forged_link("conda-meta", "elsewhere"),),
    "another mode": (forged_file("a", b"", device("a", tarfile.REGTYPE)[:100] + b"0004777\0"),),
    "long name": (forged_file("a" * 256),),
    "long path": (forged_file("/".join(["a" * 200] * 30)),),
    "long target": (forged_link("a", "/".join(["a" * 200] * 30)),),
    "deep": (forged_file("/".join(["a"] * 3000)),),
    "padding": (Forged(HARMLESS.header, b"payload" + b"x" * 505, HARMLESS.entry),),
}


def unpack(tarball: Path, prefix: Path, *options: str) -> int:
    """The exit code of `lading unpack`."""
    return run(["-q", "unpack", *options, str(tarball), str(prefix)])


def attempt(root: Path, forgery: Forgery) -> tuple[int, list[str]]:
    """The exit code of unpacking a forgery, and all that is new afterwards."""
    tarball = forgery.write(root / f"evil.{forgery.format}")
    before = listing(root)
    code = unpack(tarball, root / "place/env")
    # One judge for both: `verify` accepts what `unpack` accepts, and nothing else.
    assert (code == 0) == (run(["-q", "verify", str(tarball)]) == 0)
    return code, [path for path in listing(root) if path not in before]


@pytest.mark.parametrize("format_", list(Format))
def test_a_forgery_may_be_harmless(tmp_path: Path, format_: Format) -> None:
    """What these tests write is accepted where there is nothing wrong with it."""
    members = (HARMLESS, forged_link("a", "d/harmless"), forged_file("d/harmless"))
    code, new = attempt(tmp_path, Forgery(members=members, format=format_))
    assert (0, True) == (code, "place/env/d/harmless" in new)


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("name", FORGERIES)
def test_a_hostile_member(tmp_path: Path, name: str, format_: Format) -> None:
    """Whatever its bill says, a tarball cannot make lading write what it must not."""
    forgery = Forgery(members=FORGERIES[name], format=format_)
    assert (7, []) == attempt(tmp_path, forgery)


@pytest.mark.parametrize("format_", list(Format))
def test_the_bill_of_an_image(tmp_path: Path, format_: Format) -> None:
    """It promises no frames: nothing of what it lists would be missed."""

    def edit(document: Document) -> None:
        document["requirements"] = {"prefix": "/opt/lading/evil"}

    forgery = Forgery(members=(only_billed(HARMLESS),), edit=edit, format=format_)
    assert (7, []) == attempt(tmp_path, forgery)


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("trailing", [b"x", bytes(512), HARMLESS.header])
def test_something_behind_the_end(tmp_path: Path, format_: Format, trailing: bytes) -> None:
    """Nothing may follow the members in a frame, nor the end of the archive in the last one."""
    for where in ({"trailing": trailing}, {"after_end": trailing}):
        forgery = Forgery(members=(HARMLESS,), **where, format=format_)
        assert (7, []) == attempt(tmp_path, forgery)


@pytest.mark.parametrize("format_", list(Format))
def test_something_behind_the_tarball(tmp_path: Path, format_: Format) -> None:
    """Nothing may follow the tarball."""
    forgery = Forgery(members=(HARMLESS,), behind=b"x", format=format_)
    assert (7, []) == attempt(tmp_path, forgery)


def frame_of(document: Document) -> Document:
    """The only frame of a bill."""
    packages = document["packages"]
    assert isinstance(packages, list)
    frame: Document = packages[0]["frames"][0]
    return frame


def package_of(document: Document) -> Document:
    """The only package of a bill."""
    packages = document["packages"]
    assert isinstance(packages, list)
    found: Document = packages[0]
    return found


def list_of(document: Document) -> Document:
    """The list of the only package."""
    found = package_of(document)["list"]
    assert isinstance(found, dict)
    return found


def overlap(document: Document) -> None:
    """Two frames at one place."""
    frame = frame_of(document)
    package_of(document)["frames"] = [frame, frame]


MALFORMED: dict[str, Callable[[Document], None]] = {
    "overlap": overlap,
    "gap": lambda document: frame_of(document).update(offset=1),
    "no length": lambda document: frame_of(document).update(length=0),
    "negative": lambda document: frame_of(document).update(length=-1),
    "size": lambda document: frame_of(document).update(size=(8 << 20) + 512),
    "too many members": lambda document: package_of(document).update(files=9),
    "too much": lambda document: package_of(document).update(size=9),
    "time": lambda document: document.update(mtime=2**70),
    "another time": lambda document: document.update(mtime=1),
    "format": lambda document: document.update(format="x"),
    "version": lambda document: document.update(version=3),
    "first version": lambda document: document.update(version=1),
    "no packages": lambda document: document.pop("packages"),
    "another manager": lambda document: package_of(document).update(manager="conda"),
    "a name": lambda document: package_of(document).update(name="../../x"),
    "no list": lambda document: package_of(document).pop("list"),
    "list elsewhere": lambda document: list_of(document).update(offset=0),
    "huge list": lambda document: list_of(document).update(size=1 << 40),
    "digest of list": lambda document: list_of(document).update(sha256="../../x"),
    "another list": lambda document: list_of(document).update(sha256="0" * 64),
    "another list's frame": lambda document: list_of(document).update(frame_sha256="0" * 64),
    "nothing": lambda document: document.clear(),
}


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_bill(tmp_path: Path, name: str, format_: Format) -> None:
    """A malformed bill is damage: it is inside of the tarball, whatever its format."""
    members = (HARMLESS, forged_file("second"))
    forgery = Forgery(members=members, edit=MALFORMED[name], format=format_)
    assert (7, []) == attempt(tmp_path, forgery)


MALFORMED_LISTS: dict[str, Callable[[Document], None]] = {
    "time": lambda document: document.update(mtime=-1),
    "another time": lambda document: document.update(mtime=1),
    "format": lambda document: document.update(format="x"),
    "version": lambda document: document.update(version=1),
    "no files": lambda document: document.pop("files"),
    "fewer": lambda document: document.update(files=document["files"][:1]),
    "exchanged": lambda document: document.update(files=document["files"][::-1]),
    "not an object": lambda document: document.update(files=[1]),
    "nothing": lambda document: document.clear(),
}


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("name", MALFORMED_LISTS)
def test_a_malformed_list(tmp_path: Path, name: str, format_: Format) -> None:
    """A list whose digest is right is judged all the same."""
    members = (HARMLESS, forged_file("second", b"more"))
    forgery = Forgery(members=members, relist=MALFORMED_LISTS[name], format=format_)
    assert (7, []) == attempt(tmp_path, forgery)


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("key", ["length", "sha256", "size"])
def test_a_bill_that_is_wrong(tmp_path: Path, format_: Format, key: str) -> None:
    """A bill that says something else of the frame than is true is refused."""
    values: Document = {"length": 600, "sha256": "0" * 64, "size": 512}
    forgery = Forgery(
        members=(HARMLESS,),
        edit=lambda document: frame_of(document).update({key: values[key]}),
        format=format_,
    )
    assert (7, []) == attempt(tmp_path, forgery)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[Format, Path]:
    """A sound tarball in every format."""
    root = tmp_path_factory.mktemp("sound")
    package = payload(
        file("a", b"content " * 100),
        file("bin/run", f"#!{OLD}/x\n".encode(), placeholder=OLD, directory=root / "source"),
        file("empty"),
        file("odd ü name", bytes(range(256))),
        link("b", "a"),
    )
    return {
        format_: pack(root / str(format_), package, format_=format_).plan.tarball
        for format_ in Format
    }


@pytest.mark.parametrize("format_", list(Format))
def test_every_flipped_bit_is_noticed(
    tmp_path: Path, sound: dict[Format, Path], format_: Format, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a tarball with one bit flipped, anywhere, nothing is unpacked; half are in its bill."""
    source = sound[format_]
    data = source.read_bytes()
    tarball = tmp_path / source.name
    before = sorted({*listing(tmp_path), tarball.name})
    chance = random.Random(format_)  # not for secrets
    with open_tarball(source) as opened:
        lists = 8 * opened.bill.manifest.packages[0].listed.offset
    outcomes = {}
    for number in range(FLIPS):
        bit = chance.randrange(lists if number % 2 else 0, 8 * len(data))
        tarball.write_bytes(flip_bit(data, bit))
        outcomes[bit] = (unpack(tarball, tmp_path / "env", "-j1"), listing(tmp_path))
        assert run(["-q", "verify", "-j1", str(tarball)]) in {1, 7}
    assert {} == {flip: seen for flip, seen in outcomes.items() if seen != (7, before)}
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("format_", list(Format))
def test_a_bill_beside_is_the_one_inside(
    tmp_path: Path, sound: dict[Format, Path], format_: Format
) -> None:
    """A bill that is named must be the one that the tarball carries."""
    other = pack(tmp_path / "other", payload(file("x")), format_=format_).plan.manifest
    arguments = ["unpack", str(sound[format_]), str(tmp_path / "env"), "--manifest"]
    own = beside(sound[format_], ".manifest.json")
    assert (7, 0) == (run([*arguments, str(other)]), run([*arguments, str(own)]))
