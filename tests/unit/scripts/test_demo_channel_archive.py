"""Archives of the demo channel, and what they are made from."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from demo_channel import archive, interpreter
from demo_channel.channel import Inputs
from demo_channel.download import read_wheel_list
from demo_channel.package import (
    EARLIEST,
    PLACEHOLDER,
    About,
    Noarch,
)
from simulators.demo_packages import TARGET, make_package

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def read_tars(path: Path) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Member name to header and content, of both sections of one archive."""
    members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    with zipfile.ZipFile(path) as outer:
        for name in outer.namelist()[1:]:
            with tarfile.open(fileobj=io.BytesIO(zstd.decompress(outer.read(name)))) as tar:
                for member in tar:
                    stream = tar.extractfile(member) if member.isfile() else None
                    members[member.name] = (member, stream.read() if stream else b"")
    return members


class TestArchive:
    """`.conda` archives."""

    def test_same_bytes(self, tmp_path: Path) -> None:
        """Order of files, directory and time of day do not matter."""
        package = make_package()
        shuffled = replace(package, files=package.files[::-1])

        one = archive.write_archive(package, tmp_path / "a")
        two = archive.write_archive(shuffled, tmp_path / "b")

        assert one.name == "tool-1.0-0.conda"
        assert one.read_bytes() == two.read_bytes()

    def test_members(self, tmp_path: Path) -> None:
        """Owner 0, one time, modes reduced, links kept."""
        members = read_tars(archive.write_archive(make_package(), tmp_path))

        headers = [header for header, _ in members.values()]
        assert {(h.uid, h.gid, h.uname, h.mtime) for h in headers} == {(0, 0, "", 1_700_000_000)}
        assert members["bin/tool"][0].mode == 0o755
        assert members["etc/tool.conf"][0].mode == 0o644
        assert members["bin/alias"][0].linkname == "tool"
        assert members["info/licenses/LICENSE"][1] == b"whole text"

    def test_paths(self, tmp_path: Path) -> None:
        """Path entries: digest and size, placeholder where there is one, a link as its target."""
        members = read_tars(archive.write_archive(make_package(), tmp_path))

        paths = {p["_path"]: p for p in json.loads(members["info/paths.json"][1])["paths"]}
        assert list(paths) == ["bin/alias", "bin/tool", "etc/tool.conf"]
        assert paths["bin/alias"] == {
            **paths["bin/tool"],
            "_path": "bin/alias",
            "path_type": "softlink",
        }
        assert paths["bin/tool"]["sha256"] == hashlib.sha256(b"#!/bin/sh\n").hexdigest()
        assert paths["etc/tool.conf"]["prefix_placeholder"] == PLACEHOLDER
        assert paths["etc/tool.conf"]["file_mode"] == "text"

    def test_index(self, tmp_path: Path) -> None:
        """A platform package has no `noarch`, no empty license, and no `link.json`."""
        members = read_tars(archive.write_archive(replace(make_package(), about=About()), tmp_path))

        index = json.loads(members["info/index.json"][1])
        assert (index["platform"], index["arch"], index["subdir"]) == (
            "linux",
            "x86_64",
            "linux-64",
        )
        assert index.keys().isdisjoint({"noarch", "license", "python_site_packages_path"})
        assert "info/link.json" not in members

    def test_noarch(self, tmp_path: Path) -> None:
        """A `noarch: python` package says so twice, and lists its entry points."""
        package = replace(
            make_package(),
            noarch=Noarch.PYTHON,
            subdir="noarch",
            entry_points=("load = cargo:main",),
        )

        members = read_tars(archive.write_archive(package, tmp_path))

        assert json.loads(members["info/index.json"][1])["noarch"] == "python"
        assert json.loads(members["info/link.json"][1])["noarch"] == {
            "type": "python",
            "entry_points": ["load = cargo:main"],
        }

    def test_two_of_one_name(self, tmp_path: Path) -> None:
        """One archive never replaces another."""
        archive.write_archive(make_package(), tmp_path)

        with pytest.raises(FileExistsError):
            archive.write_archive(make_package(), tmp_path)


class TestInputs:
    """The digest under which a channel is kept."""

    def make_inputs(self, source: Path, wheel_digest: str = "00") -> Inputs:
        """Inputs of one file and one wheel."""
        return Inputs(
            interpreter=interpreter.Interpreter(
                target=TARGET,
                description="3.11.7",
                executable=source,
                stdlib=source.parent,
                dynload=None,
                include=source.parent,
                pkgconfig=source.parent,
                prefixes=("/home/me/py", "/install"),
                build_directories=("/build/Python-3.11.7",),
                is_debian=False,
            ),
            cargo={PurePosixPath("bin/python3.11"): source},
            runtime={},
            wheel_list=read_wheel_list(Path(archive.__file__).with_name("wheels.toml")),
            wheels={Path("/cache/cargo_lib-1.0-py3-none-any.whl"): wheel_digest},
        )

    def test_stable(self, tmp_path: Path) -> None:
        """The same inputs have the same digest."""
        source = tmp_path / "python"
        source.write_bytes(b"1")

        assert self.make_inputs(source).digest == self.make_inputs(source).digest

    def test_wheel_counts(self, tmp_path: Path) -> None:
        """Another wheel is another channel."""
        source = tmp_path / "python"
        source.write_bytes(b"1")

        assert self.make_inputs(source, "00").digest != self.make_inputs(source, "01").digest

    def test_interpreter_counts(self, tmp_path: Path) -> None:
        """A changed file of the installation is another channel."""
        source = tmp_path / "python"
        source.write_bytes(b"1")
        before = self.make_inputs(source).digest

        source.write_bytes(b"22")

        assert self.make_inputs(source).digest != before

    def test_machine_roots(self, tmp_path: Path) -> None:
        """Roots of one component are common to all machines and stay."""
        inputs = self.make_inputs(tmp_path)

        assert inputs.interpreter.machine_roots == ("/build/Python-3.11.7", "/home/me/py")


def test_timestamp_floor() -> None:
    """The earliest time of a ZIP archive is 1980."""
    assert EARLIEST == 315_532_800_000
