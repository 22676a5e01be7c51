"""Whatever is packed comes out again, the same with every tool."""

import gzip
import shutil
import subprocess
import tarfile
import tempfile
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import msgspec
from conda_pack.prefixes import replace_prefix
from hypothesis import HealthCheck, assume, given, settings, strategies as st

import lading
from lading.conda.paths import FileMode, Kind
from lading.conda.placeholder import find_occurrences, replace_placeholder, restore_placeholder
from lading.format.compression import Format
from lading.format.file_list import ManifestFile
from lading.format.frames import FRAME_BYTES, cut_frames
from lading.format.manifest import (
    Manifest,
    ManifestFrame,
    ManifestList,
    ManifestPackage,
    Requirements,
    parse_manifest,
    render_manifest,
)
from lading.format.relocation import Relocation
from lading.format.tar_header import Header, render_header
from lading.package.payload import Payload, PayloadFile
from lading.system.digest import sha256_of
from simulators.handmade import file, pack, payload, snapshot, unpack

# No test here depends on a clock; a slow machine is not a failure.
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Packing waits for the disk; a file system in memory has nothing to wait for.
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None


def script() -> ModuleType:
    """The functions of `bin/conda-unpack`."""
    loader = SourceFileLoader(
        "conda_unpack", str(Path(lading.__file__).parent / "pack/scripts/conda-unpack")
    )
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


SCRIPT = script()

LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="/\0")
ODD = st.sampled_from(
    ["a b", "new\nline", "-rf", "ünï", "名前", "'\"", "\\", "*", "...", "\t", "😀"]
)
NAMES = (st.text(LETTERS, min_size=1, max_size=30) | ODD).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) <= 120
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
CONTENTS = st.binary(max_size=1200) | st.sampled_from([b"", bytes(511), bytes(512), bytes(513)])

HEADER_NAMES = st.one_of(
    PATHS, st.text(st.characters(codec="ascii", exclude_characters="/\0"), min_size=1, max_size=300)
)


class TestHeaders:
    """POSIX.1-2001 pax: what lading writes directly is what `tarfile` writes."""

    @relaxed
    @given(
        path=HEADER_NAMES,
        kind=st.sampled_from(Kind),
        size=st.integers(0, 1 << 40),
        executable=st.booleans(),
        mtime=st.integers(0, 1 << 36),
        target=HEADER_NAMES,
    )
    def test_the_fast_way_is_the_slow_way(  # one for each field
        self, path: str, kind: Kind, size: int, mtime: int, target: str, *, executable: bool
    ) -> None:
        """A header is byte for byte that of `TarInfo.tobuf`, and `tarfile` reads it back."""
        header = Header(
            path=path,
            kind=kind,
            size=size if kind is Kind.FILE else 0,
            executable=executable,
            mtime=mtime,
            target=target if kind is Kind.LINK else "",
        )
        info = tarfile.TarInfo(path + "/" if kind is Kind.DIRECTORY else path)
        types = {
            Kind.FILE: tarfile.REGTYPE,
            Kind.LINK: tarfile.SYMTYPE,
            Kind.DIRECTORY: tarfile.DIRTYPE,
        }
        info.type, info.size, info.mtime = types[kind], header.size, mtime
        info.mode, info.linkname = header.mode, header.target
        assert info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict") == render_header(header)

    @relaxed
    @given(path=PATHS, mtime=st.integers(0, 1 << 33), data=CONTENTS)
    def test_tarfile_reads_it_back(self, path: str, mtime: int, data: bytes) -> None:
        """Name, time and size are those that were written."""
        header = Header(path=path, kind=Kind.FILE, size=len(data), executable=False, mtime=mtime)
        with tempfile.TemporaryFile() as stream:
            stream.write(render_header(header) + data + bytes(-len(data) % 512) + bytes(1024))
            stream.seek(0)
            with tarfile.open(fileobj=stream) as archive:
                member = archive.next()
                assert member is not None
                found = archive.extractfile(member)
                assert (path, mtime, data) == (
                    member.name,
                    member.mtime,
                    found.read() if found is not None else None,
                )


class TestPlaceholders:
    """CEP 34: a placeholder is replaced as its `file_mode` says."""

    OLD = b"/old/place"
    DATA = st.lists(
        st.sampled_from([OLD, OLD, b"\0", b"/n", b"/lib", b"x", b"\n", b"/old", b"\xff"]),
        max_size=30,
    ).map(b"".join)
    PREFIXES = st.sampled_from([b"/", b"/n", b"/old", b"/new/place", b"/old/plac", OLD])

    @given(data=DATA, prefix=PREFIXES, mode=st.sampled_from(FileMode))
    def test_relocation_is_taken_back(self, data: bytes, prefix: bytes, mode: FileMode) -> None:
        """Restoring what was relocated gives the shipped content."""
        where = find_occurrences(data, self.OLD, mode)
        assert data == restore_placeholder(replace_placeholder(data, where, prefix), where, prefix)

    @given(data=DATA, prefix=PREFIXES, mode=st.sampled_from(FileMode))
    def test_the_result_is_that_of_conda_pack(
        self, data: bytes, prefix: bytes, mode: FileMode
    ) -> None:
        """Relocating gives the bytes that `conda-unpack` gives."""
        where = find_occurrences(data, self.OLD, mode)
        theirs = replace_prefix(data, str(mode), self.OLD.decode(), prefix.decode())
        assert theirs == replace_placeholder(data, where, prefix)

    @given(data=DATA, prefix=PREFIXES, mode=st.sampled_from(FileMode))
    def test_the_shipped_script_does_the_same(
        self, data: bytes, prefix: bytes, mode: FileMode
    ) -> None:
        """`bin/conda-unpack` of an environment relocates and takes back as lading does."""
        where = find_occurrences(data, self.OLD, mode)
        assume(where)
        item = msgspec.to_builtins(Relocation.of("x", len(data), where))
        moved = b"".join(SCRIPT.replaced(data, item, prefix))
        named = SCRIPT.named_prefix(moved, item)
        assert (replace_placeholder(data, where, prefix), prefix, data) == (
            moved,
            named,
            SCRIPT.restored(moved, item, named),
        )

    @given(data=DATA, prefix=PREFIXES, other=PREFIXES, mode=st.sampled_from(FileMode))
    def test_another_prefix_is_not_taken_for_this_one(
        self, data: bytes, prefix: bytes, other: bytes, mode: FileMode
    ) -> None:
        """Restoring for a wrong prefix gives nothing, or what relocates to the same bytes."""
        where = find_occurrences(data, self.OLD, mode)
        assume(where)
        moved = replace_placeholder(data, where, prefix)
        restored = restore_placeholder(moved, where, other)
        assert restored is None or replace_placeholder(restored, where, other) == moved


DIGESTS = st.binary(max_size=8).map(lambda data: sha256_of(data).hex)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Manifests that do not contradict themselves."""
    names = [*(f"p{number}" for number in range(draw(st.integers(0, 4)))), ""]
    frames = [
        [(draw(st.integers(1, 1024)), 512 * draw(st.integers(1, 1 << 14))) for _ in range(count)]
        for count in draw(st.lists(st.integers(0, 3), min_size=len(names), max_size=len(names)))
    ]
    offset = 0
    placed = []
    for package in frames:
        placed.append([])
        for length, size in package:
            frame = ManifestFrame(offset=offset, length=length, size=size, sha256=draw(DIGESTS))
            placed[-1].append(frame)
            offset += length
    packages = []
    for name, held in zip(names, placed, strict=True):
        listed = ManifestList(
            offset=offset, length=9, size=99, sha256=draw(DIGESTS), frame_sha256=draw(DIGESTS)
        )
        packages.append(
            ManifestPackage(
                name=name,
                manager="conda" if name else "environment",
                files=draw(st.integers(0, 1000)),
                size=draw(st.integers(0, 1 << 40)),
                listed=listed,
                frames=tuple(held),
            )
        )
        offset += 9
    return Manifest(
        environment=draw(st.text(LETTERS)),
        platform="linux-64",
        lock=draw(DIGESTS),
        lading="0",
        compressor={},
        bytecode=draw(st.booleans()),
        requirements=Requirements(longest_prefix=draw(st.none() | st.integers(1, 255))),
        mtime=draw(st.integers(0, 1 << 32)),
        packages=tuple(packages),
    )


class TestManifests:
    """The bill is a value."""

    @relaxed
    @given(manifest=manifests())
    def test_rendering_and_parsing_are_inverse(self, manifest: Manifest) -> None:
        """A manifest is read as it was written, and written as it was read."""
        data = render_manifest(manifest)
        parsed = parse_manifest(data, "m")
        assert (manifest, data) == (parsed, render_manifest(parsed))


class TestFrames:
    """A frame holds a bounded piece of the stream of one package."""

    @relaxed
    @given(
        sizes=st.lists(
            st.integers(0, 5000) | st.integers(FRAME_BYTES - 2000, 3 * FRAME_BYTES), max_size=30
        )
    )
    def test_the_cut(self, sizes: list[int]) -> None:
        """Every byte of the stream is in one frame, in order; frames are cut only where they must.

        The writer cuts member by member, the reader by the whole list: they agree.
        """
        files = [
            ManifestFile(path=f"{number:03}", type=Kind.FILE, mode="0644", size=size)
            for number, size in enumerate(sizes)
        ]
        frames = list(cut_frames(files))
        stream = [(piece.file.path, piece.start, piece.stop) for part in frames for piece in part]
        weights = [sum(piece.stop - piece.start for piece in part) for part in frames]
        lengths = [512 + size + -size % 512 for size in sizes]
        whole = {path: 0 for path, _, _ in stream}
        for path, start, stop in stream:
            assert start == whole[path]
            whole[path] = stop
        assert lengths == [whole[item.path] for item in files]
        assert sorted(stream) == stream
        assert all(0 < weight <= FRAME_BYTES for weight in weights)
        for weight, following in pairwise(zip(weights, frames, strict=True)):
            first = following[1][0]
            is_continued = first.start > 0
            assert weight[0] == FRAME_BYTES or not is_continued
            if not is_continued:
                length = 512 + first.file.size + -first.file.size % 512
                assert weight[0] + length > FRAME_BYTES


@st.composite
def trees(draw: st.DrawFn) -> dict[str, tuple[Kind, bytes, bool]]:
    """Path → kind, content (or link target) and executable bit; no path below another."""
    result: dict[str, tuple[Kind, bytes, bool]] = {}
    for path in draw(st.lists(PATHS, max_size=12)):
        ancestors = {"/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)}
        below = any(known.startswith(f"{path}/") for known in result)
        if path in result or below or ancestors & set(result) or path.split("/")[0] in _OWN:
            continue
        kind = draw(st.sampled_from([Kind.FILE, Kind.FILE, Kind.LINK, Kind.DIRECTORY]))
        if kind is Kind.LINK:
            links = [other for other, entry in result.items() if entry[0] is Kind.LINK]
            near = draw(st.sampled_from([*links, "nowhere"]))
            text = "../" * path.count("/") + near
            result[path] = (kind, text.encode(), False)
        else:
            data = draw(CONTENTS) if kind is Kind.FILE else b""
            result[path] = (kind, data, draw(st.booleans()) and kind is Kind.FILE)
    return result


_OWN = {"bin", "conda-meta"}


def stowed(tree: dict[str, tuple[Kind, bytes, bool]], name: str, directory: Path) -> Payload:
    """A package of the tree; half of its files lie on the disk, the others in memory."""
    files = []
    for number, (path, (kind, data, executable)) in enumerate(tree.items()):
        if kind is Kind.LINK:
            files.append(PayloadFile(path=path, kind=kind, target=data.decode()))
        elif kind is Kind.DIRECTORY:
            files.append(PayloadFile(path=path, kind=kind))
        else:
            place = directory / name if number % 2 else None
            files.append(file(path, data, executable=executable, directory=place))
    return payload(*files, name=name)


def planted(tree: dict[str, tuple[Kind, bytes, bool]]) -> dict[str, tuple[str, int, bytes]]:
    """What `snapshot` says of the tree."""
    return {
        path: (str(kind), 0o111 if executable else 0, data)
        for path, (kind, data, executable) in tree.items()
    }


def foreign(found: dict[str, tuple[str, int, bytes]]) -> dict[str, tuple[str, int, bytes]]:
    """What of a snapshot is not a file of the environment's own."""
    return {path: entry for path, entry in found.items() if path.split("/")[0] not in _OWN}


class TestTrees:
    """What is packed comes out again."""

    @settings(relaxed, max_examples=25)
    @given(tree=trees())
    def test_every_format_worker_and_tool(self, tree: dict[str, tuple[Kind, bytes, bool]]) -> None:
        """lading, GNU tar, bsdtar and `tarfile` make the same tree of every format.

        Its bytes do not depend on the workers.
        """
        with tempfile.TemporaryDirectory(dir=FAST) as name:
            root = Path(name)
            package = stowed(tree, "tool", root)
            for format_ in Format:
                packed = [
                    pack(root / f"{format_}{workers}", package, format_=format_, workers=workers)
                    for workers in (1, 2, 8)
                ]
                assert 1 == len({each.sha256 for each in packed})
                for number, extract in enumerate(_EXTRACTORS):
                    out = root / f"{format_}-{number}"
                    extract(packed[0].plan.tarball, out)
                    assert planted(tree) == foreign(dict(snapshot(out)))


def _gnu_tar(tarball: Path, out: Path) -> None:
    out.mkdir()
    option = ["--zstd"] if tarball.suffix == ".zst" else []
    subprocess.run(
        ["tar", *option, "-xpf", tarball, "-C", out], check=True, env={"PATH": "/usr/bin:/bin"}
    )


def _bsdtar(tarball: Path, out: Path) -> None:
    out.mkdir()
    # Without -P it takes a leading backslash off a name.
    subprocess.run(
        ["bsdtar", "-xpPf", tarball, "-C", out],
        check=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )


def _tarfile(tarball: Path, out: Path) -> None:
    if tarball.suffix == ".zst":
        plain = out.parent / "plain.tar"
        subprocess.run(["zstd", "-dqf", tarball, "-o", plain], check=True)
        tarball = plain
    with tarfile.open(tarball) as archive:
        archive.extractall(out, filter="fully_trusted")


_EXTRACTORS = (unpack, _gnu_tar, _tarfile, *([_bsdtar] if shutil.which("bsdtar") else []))


def test_a_row_of_gzip_members_is_one_stream(tmp_path: Path) -> None:
    """The standard library reads the members of a `tar.gz` one after the other."""
    package = payload(file("a", b"x" * 10_000))
    gz = pack(tmp_path / "gz", package, format_=Format.GZIP).plan.tarball
    tar = pack(tmp_path / "tar", package, format_=Format.TAR).plan.tarball
    # The bill names its compressor, so that of the plain tar is another one.
    plain = tar.read_bytes()
    start = plain.rindex(b"././@PaxHeader")
    assert plain[:start] == gzip.decompress(gz.read_bytes())[:start]
