"""Wheels become packages of the demo channel."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from packaging.tags import parse_tag

from demo_channel import conversion
from demo_channel.failure import DemoChannelError
from demo_channel.package import (
    About,
    Noarch,
)
from demo_channel.wheels import Kind, classify_tags, read_members, read_wheel, shorten_license
from simulators.demo_packages import TARGET, make_wheel


class TestWheels:
    """Wheel to package."""

    @pytest.mark.parametrize(
        ("tag", "expected"),
        [
            ("py3-none-any", Kind.PURE),
            ("py2.py3-none-any", Kind.PURE),
            ("cp39-abi3-manylinux2014_x86_64", Kind.PORTABLE),
            ("py3-none-manylinux2014_x86_64", Kind.PORTABLE),
            ("cp311-cp311-manylinux2014_x86_64", Kind.COMPILED),
        ],
    )
    def test_kind(self, tag: str, expected: Kind) -> None:
        """The tags tell what a wheel is bound to."""
        assert classify_tags(parse_tag(tag)) == expected

    def test_metadata(self, tmp_path: Path) -> None:
        """Name and version normalised, time of the newest member, short license."""
        wheel = read_wheel(make_wheel(tmp_path))

        assert (wheel.name, wheel.version, wheel.requires) == ("cargo-lib", "1.0", ("bill>=1",))
        assert wheel.timestamp == 1_714_979_290_000
        assert wheel.about == About(
            summary="Loads cargo", home="https://demo.invalid/cargo", license="MIT"
        )

    def test_not_a_wheel(self, tmp_path: Path) -> None:
        """A damaged file is named."""
        path = tmp_path / "cargo_lib-1.0-py3-none-any.whl"
        path.write_bytes(b"PK")

        with pytest.raises(DemoChannelError, match="is not a wheel"):
            read_wheel(path)

    def test_unsafe_member(self, tmp_path: Path) -> None:
        """A path that leaves the wheel is refused."""
        path = make_wheel(tmp_path, **{"../evil.py": ""})

        with pytest.raises(DemoChannelError, match="unsafe member"):
            list(read_members(path))

    def test_license_text_is_not_taken(self) -> None:
        """A whole text in `License` gives way to the classifiers."""
        license_ = shorten_license(
            {
                "license": "Copyright\n\nPermission is hereby granted",
                "classifiers": ["License :: OSI Approved :: MIT License"],
            }
        )

        assert license_ == "MIT"

    def test_pure(self, tmp_path: Path) -> None:
        """`noarch: python`: entry points in `link.json`, scripts in `python-scripts`."""
        wheel = read_wheel(make_wheel(tmp_path))

        package = conversion.convert_wheel(wheel, TARGET, ("bill >=1",), frozenset())

        assert (package.subdir, package.build, package.noarch) == ("noarch", "py_0", Noarch.PYTHON)
        assert package.depends == ("bill >=1", "python >=3.9")
        assert package.entry_points == ("load = cargo_lib:main",)
        assert {str(file.path) for file in package.files} == {
            "site-packages/cargo_lib/__init__.py",
            "site-packages/cargo_lib-1.0.dist-info/INSTALLER",
            "site-packages/cargo_lib-1.0.dist-info/METADATA",
            "site-packages/cargo_lib-1.0.dist-info/RECORD",
            "site-packages/cargo_lib-1.0.dist-info/entry_points.txt",
            "python-scripts/unload",
            "share/cargo.txt",
        }

    def test_compiled(self, tmp_path: Path) -> None:
        """Of the platform and the series: entry points are files with the placeholder."""
        wheel = read_wheel(make_wheel(tmp_path, "cp311-cp311-manylinux2014_x86_64"))

        package = conversion.convert_wheel(wheel, TARGET, (), frozenset())

        files = {str(file.path): file for file in package.files}
        assert (package.subdir, package.build, package.noarch) == ("linux-64", "py311_0", None)
        assert package.depends == ("python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311")
        assert package.entry_points == ()
        assert files["bin/load"].has_placeholder
        assert files["bin/unload"].executable
        assert "lib/python3.11/site-packages/cargo_lib/__init__.py" in files

    def test_portable(self, tmp_path: Path) -> None:
        """Bound to the platform alone: `noarch: python` in the platform's subdir."""
        wheel = read_wheel(make_wheel(tmp_path, "cp39-abi3-manylinux2014_x86_64"))

        package = conversion.convert_wheel(wheel, TARGET, (), frozenset())

        assert (package.subdir, package.noarch) == ("linux-64", Noarch.PYTHON)
        assert package.depends == ("python >=3.9",)

    def test_record(self, tmp_path: Path) -> None:
        """`RECORD` names every file as installed; what linking changes has no digest."""
        wheel = read_wheel(make_wheel(tmp_path, "cp311-cp311-manylinux2014_x86_64"))

        package = conversion.convert_wheel(wheel, TARGET, (), frozenset())

        record = next(file for file in package.files if file.path.name == "RECORD")
        rows = record.data.decode().splitlines()
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"conda\n").digest()).decode().rstrip("=")
        assert f"cargo_lib-1.0.dist-info/INSTALLER,sha256={digest},6" in rows
        assert "../../../bin/load,," in rows
        assert "cargo_lib-1.0.dist-info/RECORD,," in rows
        assert len(rows) == len(package.files)

    def test_tool_without_program(self, tmp_path: Path) -> None:
        """A wheel that carries no executable is not a tool."""
        wheel = read_wheel(make_wheel(tmp_path))

        with pytest.raises(DemoChannelError, match="has no program"):
            conversion.convert_tool(wheel, TARGET, frozenset())

    def test_tool(self, tmp_path: Path) -> None:
        """Of a tool the program and its data are taken, Python modules are not."""
        program = {"cargo_lib-1.0.data/scripts/crane": "\x7fELF"}
        wheel = read_wheel(make_wheel(tmp_path, "py3-none-manylinux2014_x86_64", **program))

        package = conversion.convert_tool(wheel, TARGET, frozenset())

        assert {str(file.path) for file in package.files} == {"bin/crane", "share/cargo.txt"}
        assert package.depends == ()

    def test_data(self, tmp_path: Path) -> None:
        """Plain files under names of our own."""
        wheel = read_wheel(make_wheel(tmp_path))
        wanted = conversion.DataPackage(
            name="cargo-data",
            wheel="cargo-lib",
            summary="Data",
            files={"cargo_lib-1.0.data/data/share/cargo.txt": "etc/cargo.txt"},
        )

        package = conversion.convert_data(wheel, wanted)

        assert (package.noarch, package.subdir) == (Noarch.GENERIC, "noarch")
        assert [str(file.path) for file in package.files] == ["etc/cargo.txt"]
