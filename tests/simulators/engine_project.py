"""A project of hard synthetic packages, driven by the real command with either engine."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulators.channel import CANONICAL, PLACEHOLDER, File, HardLink, Package, Symlink
from simulators.command import Outcome, lading
from simulators.project import ENVIRONMENT, WHEELS, Project

__all__ = ["ENGINES", "HARD_PACKAGES", "EngineProject", "engine_variables"]

_MICROMAMBA = os.environ.get("LADING_MICROMAMBA") or shutil.which("micromamba")

ENGINES = [
    "embedded",
    pytest.param(
        "micromamba",
        marks=[
            pytest.mark.micromamba,
            pytest.mark.skipif(
                _MICROMAMBA is None, reason="there is no micromamba on this machine"
            ),
        ],
    ),
]
"""To parametrize tests with."""


def engine_variables(engine: str) -> dict[str, str]:
    """What chooses an engine."""
    chosen = {"LADING_ENGINE": engine}
    return chosen | ({"LADING_MICROMAMBA": _MICROMAMBA} if engine == "micromamba" else {})


_LINK_JSON = {"noarch": {"type": "python", "entry_points": []}, "package_metadata_version": 1}

HARD_PACKAGES = (
    # Free-threaded: its site-packages lie where nobody would guess (CEP 17).
    Package(
        name="python",
        version="3.13.1",
        build="h0_0_cp313t",
        python_site_packages_path="lib/python3.13t/site-packages",
        files={
            "bin/python3.13": File(b"\x7fELF" + PLACEHOLDER + b"/lib\0rest", 0o755, binary=True),
            "bin/python": Symlink("python3.13"),
        },
    ),
    Package(
        name="pure",
        noarch="python",
        depends=("python",),
        files={
            "site-packages/pure/__init__.py": b"def main(): pass\n",
            "python-scripts/pure-script": File(
                b"#!" + PLACEHOLDER + b"/bin/python\n", 0o755, text=True
            ),
        },
        entry_points=("pure = pure:main",),
    ),
    # abi3: noarch python, and yet for one platform (CEP 20).
    Package(
        name="stable",
        build="cp311_abi3_0",
        depends=("python",),
        index={"noarch": "python"},
        info={"link.json": json.dumps(_LINK_JSON).encode()},
        files={"site-packages/stable/_native.abi3.so": b"\x7fELF native"},
    ),
    Package(
        name="first",
        depends=("second",),
        files={
            "bin/both": File(b"#!/bin/sh\necho first " + PLACEHOLDER + b"\n", 0o755, text=True),
            "lib/both": File(b"\x7fELF" + PLACEHOLDER + b"/first\0tail", binary=True),
            "share/both": b"first",
        },
    ),
    Package(
        name="second",
        archive_format=".tar.bz2",
        files={
            "bin/both": File(b"#!/bin/sh\necho second " + PLACEHOLDER + b"\n", 0o755, text=True),
            "lib/both": File(b"\x7fELF" + PLACEHOLDER + b"/second\0tail", binary=True),
            "share/both": Symlink("other"),
            "share/other": b"other",
        },
    ),
    Package(
        name="scripted",
        files={"share/one": b"1" * 100, "share/two": HardLink("share/one")},
        scripts={
            "post-link": b'#!/bin/sh\necho "made in $PREFIX" > "$PREFIX/share/made"\n'
            b'env | grep -c -E "^(CONDA_EXE|MAMBA|PIP|UV|PYTHON[HP]|LD_)" > "$PREFIX/share/leaks"\n'
            b"exit 0\n"
        },
    ),
    Package(
        name="many", files={f"share/many/{number:03}": b"%d" % number for number in range(300)}
    ),
)


@dataclass(frozen=True, slots=True)
class EngineProject:
    """A project that is driven by the real command, with the variables that choose an engine."""

    base: Project
    variables: Mapping[str, str]

    @classmethod
    def of(
        cls, root: Path, engine: str, packages: Iterable[Package] = HARD_PACKAGES
    ) -> "EngineProject":
        """A new project at `root`, installed by `engine`."""
        project = cls(Project.of(root, packages), engine_variables(engine))
        project.use_mirror(project.base.channel.url)
        return project

    @property
    def root(self) -> Path:
        """Its directory."""
        return self.base.root

    @property
    def prefix(self) -> Path:
        """Where the environment is installed."""
        return self.base.prefix

    @property
    def is_complete(self) -> bool:
        """Whether the prefix says that it is complete."""
        return (self.prefix.parent / "install.json").exists()

    def use_mirror(self, *locations: str, wheels: str = "", **more: object) -> None:
        """Read the channel from `locations`, and wheels from the base URL `wheels`."""
        lines = [f"{key} = {json.dumps(value)}" for key, value in more.items()]
        lines += ["[mirrors]", f"{json.dumps(CANONICAL)} = {json.dumps(locations)}"]
        lines += [f"{json.dumps(WHEELS)} = {json.dumps([wheels])}"] if wheels else []
        (self.root / "lading.toml").write_text("\n".join(lines) + "\n")

    def lading(
        self,
        *arguments: object,
        preparation: Callable[[], None] | None = None,
        **variables: str,
    ) -> Outcome:
        """What a command did."""
        return lading(arguments, self.root, {**self.variables, **variables}, preparation)

    def install(self, *options: object, **variables: str) -> Outcome:
        """What installing without bytecode did: the python here is none."""
        return self.lading(*options, "install", ENVIRONMENT, "--no-bytecode", **variables)

    def tarball(
        self,
        *options: object,
        before: Iterable[object] = (),
        bytecode: bool = False,
        preparation: Callable[[], None] | None = None,
        **variables: str,
    ) -> bytes:
        """The environment, installed anew and packed; without bytecode unless its python is one."""
        shutil.rmtree(self.prefix.parent, ignore_errors=True)
        options = (*options, *([] if bytecode else ["--no-bytecode"]))
        for command in (["install", ENVIRONMENT], ["pack", ENVIRONMENT, "--level", "fast"]):
            arguments = [*before, *command, *options]
            done = self.lading(*arguments, preparation=preparation, **variables)
            assert done.code == 0, done.stderr
        [path] = (self.root / "dist").glob("*.tar.zst")
        return path.read_bytes()
