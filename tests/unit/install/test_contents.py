"""The contents of an environment."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from lading.errors import ArchiveError, PrefixError
from lading.install.contents import (
    CondaPart,
    PrefixContents,
    environment_payload,
    packages_with_scripts,
    read_conda_part,
    read_contents,
)
from lading.lock.model import LockedPackage, Manager
from lading.package.payload import PythonLayout
from lading.system.digest import sha256_of
from simulators.handmade import file, payload
from simulators.records import locked, record

SITE = "lib/python3.11/site-packages"


def extract(root: Path, name: str, files: Mapping[str, bytes], version: str = "1.0") -> Path:
    """The extracted package `name` with `files`."""
    directory = root / f"{name}-{version}-0"
    for path, data in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    (directory / "info").mkdir(parents=True, exist_ok=True)
    index = {"name": name, "version": version, "build": "0"}
    (directory / "info/index.json").write_text(json.dumps(index))
    entries = [{"_path": path, "path_type": "hardlink"} for path in files]
    (directory / "info/paths.json").write_text(json.dumps({"paths": entries}))
    return directory


def conda_part(root: Path, packages: Mapping[str, Mapping[str, bytes]]) -> CondaPart:
    """The conda part of an environment with `packages` in this order."""
    return read_conda_part(
        tuple(map(record, packages)),
        {f"{name}-1.0-0": extract(root, name, files) for name, files in packages.items()},
    )


def contents_of(
    root: Path, packages: Mapping[str, Mapping[str, bytes]], pip: tuple[LockedPackage, ...] = ()
) -> PrefixContents:
    """The contents of an environment with `packages` in this order, without compiler."""
    return read_contents(conda_part(root, packages), root / "prefix", compiler=None, pip=pip)


def install_pip(root: Path, name: str, path: str) -> LockedPackage:
    """A pip distribution that brings `path`, in `root/prefix`."""
    site = root / "prefix/lib/python1.0/site-packages"
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text(f"{path},,\n")
    (site / path).write_text("pip")
    return locked(name, manager=Manager.PIP)


def owned(contents: PrefixContents) -> dict[str, list[str]]:
    """Name of each payload, in order → its paths."""
    return {each.name: [item.path for item in each.files] for each in contents.payloads}


def test_packages_come_by_name_and_the_environment_last(tmp_path: Path) -> None:
    """The order of the lock does not show, the environment's own files end it."""
    contents = contents_of(tmp_path, {"b": {"x": b""}, "a": {"y": b""}})
    assert {
        "a": ["conda-meta/a-1.0-0.json", "y"],
        "b": ["conda-meta/b-1.0-0.json", "x"],
        "": ["conda-meta/frozen", "conda-meta/history"],
    } == owned(contents)


def test_the_last_linked_package_has_a_contested_path(tmp_path: Path) -> None:
    """Of two owners the one that comes last in the lock's order has the path, and both are told."""
    contents = contents_of(tmp_path, {"b": {"x": b"1"}, "a": {"x": b"2"}})
    assert (["conda-meta/a-1.0-0.json", "x"], {"x": ("b", "a")}) == (
        owned(contents)["a"],
        contents.clobbered,
    )


def test_every_file_has_a_digest(tmp_path: Path) -> None:
    """A package of the days before `paths.json` gives none: it is taken from what was linked."""
    contents = contents_of(tmp_path, {"a": {"x": b"1"}})
    found = {item.path: item.sha256 for each in contents.payloads for item in each.files}
    assert (sha256_of(b"1"), False) == (found["x"], None in found.values())


def test_bytecode_is_left_out_without_compiler(tmp_path: Path) -> None:
    """Without a compiler there is no bytecode, not even that of packages."""
    contents = contents_of(tmp_path, {"a": {"lib/__pycache__/x.pyc": b""}})
    assert ["conda-meta/a-1.0-0.json"] == owned(contents)["a"]


def test_pip_packages_follow(tmp_path: Path) -> None:
    """Pip distributions stand between the conda packages and the environment."""
    pip = install_pip(tmp_path, "Zed", "z.py")
    contents = contents_of(tmp_path, {"python": {}}, (pip,))
    assert ["python", "Zed", ""] == list(owned(contents))


def test_pip_must_not_overwrite_conda(tmp_path: Path) -> None:
    """A path of a conda package that a pip distribution brings too is an error that names both."""
    pip = install_pip(tmp_path, "thief", "z.py")
    packages = {"python": {}, "owner": {"lib/python1.0/site-packages/z.py": b"conda"}}
    with pytest.raises(PrefixError, match=r"pip package thief overwrites .*/z\.py of owner"):
        contents_of(tmp_path, packages, (pip,))


def test_the_python_of_an_environment(tmp_path: Path) -> None:
    """The package named python tells the layout."""
    part = conda_part(tmp_path, {"a": {}, "python": {}})
    layout = PythonLayout(
        "1.0", "lib/python1.0/site-packages", "bin/python1.0", sha256_of(b"python").hex
    )
    assert layout == part.python


def test_an_environment_without_python(tmp_path: Path) -> None:
    """Not every environment has a python."""
    assert None is conda_part(tmp_path, {"a": {}}).python


def test_variables_are_kept_for_activation() -> None:
    """The environment's variables lie where conda and micromamba look for them."""
    found = {item.path: item.content for item in environment_payload({"B": "2", "A": "1"}).files}
    assert b'{"env_vars": {"A": "1", "B": "2"}, "version": 1}\n' == found["conda-meta/state"]


@pytest.mark.parametrize("content", [b'{"X=1;touch pwned;Y": "1"}', b'{"": "1"}', b"{", b"[]"])
def test_variables_of_a_package_are_names(tmp_path: Path, content: bytes) -> None:
    """The package is named, before anything of it is packed."""
    with pytest.raises(ArchiveError, match=r"a: etc/conda/env_vars\.d/a\.json: "):
        contents_of(tmp_path, {"a": {"etc/conda/env_vars.d/a.json": content}})


def test_packages_with_scripts() -> None:
    """Those that bring a script for the moment of linking are known by name."""
    packages = (
        payload(file("bin/.a-post-link.sh"), name="a"),
        payload(file("bin/.other-post-link.sh"), name="b"),
        payload(file("bin/.c-pre-unlink.sh"), name="c"),
    )
    contents = PrefixContents(
        payloads=(*packages, environment_payload()), python=None, clobbered={}
    )
    assert ("a",) == packages_with_scripts(contents)
