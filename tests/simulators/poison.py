"""All around a user that could change an installation, and must not: variables, files, caches.

    poison = Poison.of(tmp_path, caches=[package_cache])
    command(environment=poison.variables, preparation=with_etc(poison.etc, scratch))
    poison.leaks()   # the pythons that saw it, by their prefix

Nothing in `root` may be another after the command.
"""

import shutil
import site
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import lading as package

__all__ = ["Poison"]

EVIL = "https://evil.invalid"
CONDA_SETTINGS = f"""\
channels: [{EVIL}]
default_channels: [{EVIL}]
channel_alias: {EVIL}
custom_channels: {{demo: {EVIL}}}
pkgs_dirs: [/evil]
envs_dirs: [/evil]
create_default_packages: [evil]
pinned_packages: [evil]
always_copy: true
always_softlink: true
allow_softlinks: true
extra_safety_checks: true
safety_checks: disabled
verify_artifacts: false
offline: true
ssl_verify: false
no_deps: true
compile_pyc: true
use_only_tar_bz2: true
"""
CONDA_NAMES = """
ADD_PIP_AS_PYTHON_DEPENDENCY AGGRESSIVE_UPDATE_PACKAGES ALLOW_SOFTLINKS ALWAYS_COPY
ALWAYS_SOFTLINK ALWAYS_YES AUTO_UPDATE_CONDA BLD_PATH CHANNELS CHANNEL_ALIAS CHANNEL_PRIORITY
COMPILE_PYC CREATE_DEFAULT_PACKAGES CUSTOM_CHANNELS DEFAULT_CHANNELS DEFAULT_ENV
DENYLIST_CHANNELS DRY_RUN ENVS_DIRS ENVS_PATH EXE EXPERIMENTAL EXTRA_SAFETY_CHECKS FORCE_32BIT
JSON NO_DEPS OFFLINE OVERRIDE_ARCHSPEC OVERRIDE_CUDA OVERRIDE_GLIBC OVERRIDE_LINUX
PINNED_PACKAGES PREFIX PROMPT_MODIFIER PYTHON_EXE QUIET REPODATA_FNS ROOT ROOT_PREFIX
SAFETY_CHECKS SHLVL SOLVER SSL_VERIFY SUBDIR TARGET_PREFIX TRACK_FEATURES UNSATISFIABLE_HINTS
USE_INDEX_CACHE USE_LOCKFILES USE_ONLY_TAR_BZ2 VERBOSE VERIFY_ARTIFACTS
"""
PIP_NAMES = """
CACHE_DIR COMPILE CONSTRAINT EXTRA_INDEX_URL FIND_LINKS GLOBAL_OPTION INDEX_URL NO_BINARY
NO_INDEX PREFIX PYTHON REQUIRE_HASHES REQUIRE_VIRTUALENV ROOT SRC TARGET USER
"""
UV_NAMES = """
BREAK_SYSTEM_PACKAGES BUILD_CONSTRAINT CACHE_DIR COMPILE_BYTECODE CONSTRAINT DEFAULT_INDEX
EXCLUDE_NEWER EXTRA_INDEX_URL FIND_LINKS INDEX INDEX_URL LINK_MODE NO_BINARY NO_VERIFY_HASHES
OVERRIDE PREFIX PROJECT_ENVIRONMENT PYTHON REQUIRE_HASHES SYSTEM_PYTHON TARGET WORKING_DIRECTORY
"""


@dataclass(frozen=True, slots=True)
class Poison:
    """What lies around.

    Attributes:
        root: All of it lies below.
        variables: Of the caller.
        etc: What is to be in /etc.
    """

    root: Path
    variables: Mapping[str, str]
    etc: Path

    @classmethod
    def of(cls, root: Path, cache: Path) -> "Poison":
        """Poison below `root`.

        Args:
            root: A new directory.
            cache: A package cache with what is to be installed; a copy of it is spoilt.
        """
        home = root / "home"
        _write_settings(home, home / ".config")
        _write_settings(root / "etc/conda", root / "etc/xdg", root / "etc/uv", root / "etc")
        shared = _spoil(cache, root / "shared")
        for place in ("micromamba/pkgs", ".conda/pkgs", ".cache/rattler/cache/pkgs", ".mamba/pkgs"):
            link = home / place
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(shared)
        evil = root / "evil"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        for directory in (
            evil,
            *(base / f"lib/{version}/site-packages" for base in (evil, home / ".local")),
        ):
            directory.mkdir(parents=True, exist_ok=True)
            for name in ("sitecustomize", "usercustomize"):
                (directory / f"{name}.py").write_text(_tell(root))
        return cls(root, _variables(root, home, evil, shared), root / "etc")

    def leaks(self) -> set[str]:
        """The prefixes of the pythons that saw it; those of the tests are the caller's own."""
        note = self.root.with_name(f"{self.root.name}.leaks")
        seen = set(note.read_text().splitlines()) if note.exists() else set()
        return seen - {sys.prefix, sys.base_prefix}


def _tell(root: Path) -> str:
    note = root.with_name(f"{root.name}.leaks")
    return (
        f"import sys\nwith open({str(note)!r}, 'a') as note:\n    note.write(sys.prefix + '\\n')\n"
    )


def _write_settings(*directories: Path) -> None:
    """Files that conda, micromamba, rattler, pip and uv look for, in each of the directories."""
    conda = (".condarc", "condarc", "condarc.d/evil.yml", ".conda/.condarc", "conda/.condarc")
    texts = dict.fromkeys((*conda, ".mambarc", "mamba/.mambarc"), CONDA_SETTINGS)
    pip = f"[global]\nindex-url = {EVIL}\n"
    texts |= dict.fromkeys(("pip.conf", "pip/pip.conf", ".pip/pip.conf"), pip)
    texts |= dict.fromkeys(("uv.toml", "uv/uv.toml"), 'link-mode = "symlink"\noffline = true\n')
    rattler = f'default-channels = ["{EVIL}"]\n'
    texts |= dict.fromkeys(("rattler/config.toml", "pixi/config.toml"), rattler)
    for directory in directories:
        for name, text in texts.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def _spoil(cache: Path, target: Path) -> Path:
    """A copy of a package cache with other content under the same names."""
    shutil.copytree(cache, target, symlinks=True)
    for path in target.rglob("*"):
        if path.is_file() and not path.is_symlink() and "info" not in path.parts:
            path.write_bytes(b"# poison\n")
    return target


def _variables(root: Path, home: Path, evil: Path, shared: Path) -> dict[str, str]:
    conda = ("CONDA", "MAMBA", "MICROMAMBA")
    own = [str(Path(package.__file__).parents[1]), *site.getsitepackages()]
    return {
        "HOME": str(home),
        **{f"{tool}_{name}": str(evil) for tool in conda for name in CONDA_NAMES.split()},
        **{f"{tool}_PKGS_DIRS": str(shared) for tool in conda},
        "MAMBA_ROOT_PREFIX": str(home / "micromamba"),
        "CONDARC": str(home / ".condarc"),
        "MAMBARC": str(home / ".mambarc"),
        "RATTLER_CACHE_DIR": str(shared),
        "PIXI_CACHE_DIR": str(shared),
        "PIXI_HOME": str(evil),
        **{f"PIP_{name}": str(evil) for name in PIP_NAMES.split()},
        "PIP_CONFIG_FILE": str(home / ".config/pip/pip.conf"),
        **{f"UV_{name}": str(evil) for name in UV_NAMES.split()},
        "UV_CONFIG_FILE": str(home / ".config/uv/uv.toml"),
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONHASHSEED": "4711",
        # The tests' own interpreter still works with it; that of an environment would not.
        "PYTHONHOME": sys.base_prefix,
        "PYTHONIOENCODING": "ascii:backslashreplace",
        "PYTHONMALLOC": "malloc",
        "PYTHONNOUSERSITE": "",
        "PYTHONOPTIMIZE": "2",
        "PYTHONPATH": ":".join([str(evil), *own]),
        "PYTHONPYCACHEPREFIX": str(root / "bytecode"),
        "PYTHONSTARTUP": str(evil / "sitecustomize.py"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUSERBASE": str(evil),
        "PYTHONUTF8": "0",
        "PYTHONWARNINGS": "default",
        "LD_LIBRARY_PATH": str(evil),
        "LD_BIND_NOW": "1",
        "LD_ORIGIN_PATH": str(evil),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CONFIG_DIRS": str(home / ".config"),
        "XDG_DATA_HOME": str(evil),
        "VIRTUAL_ENV": str(evil),
        "PREFIX": str(evil),
        "SOURCED": str(evil),
        "BASH_ENV": str(evil / "sitecustomize.py"),
        "ENV": str(evil / "sitecustomize.py"),
        "CDPATH": str(evil),
        "LANG": "xx_XX",
        "LC_ALL": "tr_TR.ISO-8859-9",
        "TZ": "Asia/Kathmandu",
        "UMASK": "077",
    }
