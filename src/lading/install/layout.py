"""Where things lie in the directory of a project."""

from pathlib import Path

import msgspec

from lading.conda import Platform

WHEELS = "wheels"
"""Directory of wheels in a package cache, and in a mirror."""

UV_WORKPLACE = ".uv"
"""Where uv is told what to install, beside the prefix, while it does."""


class BuildTree(msgspec.Struct, frozen=True):
    """The directories of one project.

    Attributes:
        root: Absolute; holds `locks/`, `build/`, `dist/` and `.lading/`.
        package_cache_override: Where archives and wheels are kept instead of `.lading/pkgs`,
            absolute.
        layers: Package caches, channels or mirrors that archives and wheels are read from,
            absolute; never written.
    """

    root: Path
    package_cache_override: Path | None = None
    layers: tuple[Path, ...] = ()

    @property
    def state(self) -> Path:
        """Private state: caches, the home directory of engines."""
        return self.root / ".lading"

    @property
    def home(self) -> Path:
        """The HOME of every program that lading runs."""
        return self.state / "home"

    @property
    def package_cache(self) -> Path:
        """The private CONDA_PKGS_DIRS."""
        return self.package_cache_override or self.state / "pkgs"

    @property
    def micromamba(self) -> Path:
        """The executable that `lading bootstrap` gets."""
        return self.state / "bin" / "micromamba"

    @property
    def checked(self) -> Path:
        """What is known of packages that passed the checks, by the digest of their archive."""
        return self.state / "checked"

    @property
    def bytecode_cache(self) -> Path:
        """Compiled bytecode, by package and interpreter."""
        return self.state / "bytecode"

    @property
    def frame_cache(self) -> Path:
        """Frames of tarballs, by what they were made from."""
        return self.state / "frames"

    @property
    def wheel_cache(self) -> Path:
        """Wheels, by file name; part of the package cache, so that it goes where that goes."""
        return self.package_cache / WHEELS

    @property
    def built_wheels(self) -> Path:
        """Wheels that were built when locking, by their digest."""
        return self.state / "wheels"

    def build(self, environment: str, platform: Platform) -> Path:
        """The directory of one installation: `prefix`, and `install.json` once it is complete."""
        return self.root / "build" / environment / str(platform)
