"""Section `update`: a node goes from one version of an environment to the next."""

from pathlib import Path
from time import monotonic

import msgspec

from bench.compare import Match, compare
from bench.conda_prefix import copy_tree
from bench.environments import NEWEST, OTHER, BenchEnvironments
from bench.figures import render_bytes
from bench.measure import Contestant
from bench.report import Section
from bench.server import CountingServer, serving
from bench.workshop import Workshop

__all__ = ["changed_bytes", "run_update"]


class _Frame(msgspec.Struct, frozen=True):
    length: int
    sha256: str


class _Package(msgspec.Struct, frozen=True):
    name: str
    frames: tuple[_Frame, ...]


class _Bill(msgspec.Struct, frozen=True):
    packages: tuple[_Package, ...]


def run_update(workshop: Workshop, environments: BenchEnvironments) -> Section:
    """Measure."""
    started = monotonic()
    output = environments.output
    for name in (OTHER, NEWEST):
        environments.project.run("pack", "-o", str(output), name)
    with serving(output) as server:
        match = Match(
            work="update a node: fsspec and s3fs changed",
            ours=_lading(workshop, environments, server),
            theirs=_everything(workshop, environments, server),
            tool="curl, tar and conda-unpack",
        )
        comparisons = compare(workshop, [match])
    old, new = (
        environments.tarball(name).with_name(f"{name}-linux-64.manifest.json")
        for name in (OTHER, NEWEST)
    )
    changed = changed_bytes(old.read_bytes(), new.read_bytes())
    listed = ", ".join(
        f"{name or 'the environment itself'} {render_bytes(size)}" for name, size in changed.items()
    )
    return Section(
        name="update",
        title="Update a node",
        sized="bytes that the server sent",
        notes=(
            (
                "A web server of the benchmark on loopback, which knows ranges, counts what it"
                " sends. So time on a network comes on top, by the bytes."
            ),
            (
                "lading: the node runs the older version from its store; the new bill is read from"
                " the end of the tarball, then the frames that changed, which are verified as they"
                " are extracted; the new environment is linked and switched to. The other way: the"
                " whole tarball of conda-pack,"
                " through a pipe into `tar`, then `conda-unpack`."
            ),
            (
                f"What changed are these frames: {listed}; the rest of lading's bytes is the bill"
                " and the lists of these packages."
            ),
        ),
        seconds=monotonic() - started,
        comparisons=comparisons,
    )


def changed_bytes(old: bytes, new: bytes) -> dict[str, int]:
    """Package → compressed bytes of its frames that are in the bill `new` and not in `old`."""
    before, after = (msgspec.json.decode(item, type=_Bill) for item in (old, new))
    known = {frame.sha256 for package in before.packages for frame in package.frames}
    sizes = {
        package.name: sum(frame.length for frame in package.frames if frame.sha256 not in known)
        for package in after.packages
    }
    return {name: size for name, size in sizes.items() if size}


def _lading(
    workshop: Workshop, environments: BenchEnvironments, server: CountingServer
) -> Contestant:
    """Frames that changed, into a store that holds the rest."""
    node, kept = workshop.directory / "node", workshop.directory / "node-kept"
    store, name = node / "store", node / NEWEST
    node.mkdir()
    environments.project.run(
        "unpack", "--store", str(store), str(environments.tarball(OTHER)), str(name)
    )
    # Records in the store name the place of the node, so a copy has to lie at the same one.
    node.rename(kept)

    def before() -> None:
        copy_tree(kept, node)
        server.sent = 0

    url = f"{server.url}/{environments.tarball(NEWEST).name}"
    return workshop.contestant(
        "unpack --store URL",
        environments.project.argv("unpack", "--store", str(store), url, str(name)),
        before=before,
        size=lambda: server.sent,
        after=lambda: workshop.put_aside(node),
    )


def _everything(
    workshop: Workshop, environments: BenchEnvironments, server: CountingServer
) -> Contestant:
    """The whole tarball."""
    place: Path = workshop.directory / "node-by-tar"
    tarball = environments.kept_conda_pack(NEWEST)

    def before() -> None:
        server.sent = 0

    curl = f"{workshop.program('curl')} -sSf {server.url}/{tarball.name}"
    script = f"mkdir {place} && {curl} | tar --zstd -xf - -C {place} && {place}/bin/conda-unpack"
    return workshop.contestant(
        "curl, tar and conda-unpack",
        ("/bin/sh", "-c", script),
        before=before,
        size=lambda: server.sent,
        after=lambda: workshop.put_aside(place),
    )
