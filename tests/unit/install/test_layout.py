"""Where things lie in a build tree."""

from pathlib import Path

from lading.conda.names import Platform
from lading.install.layout import BuildTree

ROOT = Path("/project")


def test_everything_lies_below_the_root() -> None:
    """Caches and outputs are private to the tree."""
    tree = BuildTree(ROOT)
    assert (
        "build/a/linux-64",
        ".lading/pkgs",
        ".lading/pkgs/wheels",
        ".lading/bytecode",
        ".lading/frames",
        ".lading/home",
        ".lading/bin/micromamba",
    ) == tuple(
        str(path.relative_to(ROOT))
        for path in (
            tree.build("a", Platform.LINUX_64),
            tree.package_cache,
            tree.wheel_cache,
            tree.bytecode_cache,
            tree.frame_cache,
            tree.home,
            tree.micromamba,
        )
    )


def test_the_package_cache_may_lie_elsewhere() -> None:
    """A package cache that was named is taken, everything else stays."""
    tree = BuildTree(ROOT, Path("/cache"))
    assert (Path("/cache"), Path("/cache/wheels"), ROOT / ".lading") == (
        tree.package_cache,
        tree.wheel_cache,
        tree.state,
    )
