"""The pure parts of `scripts/demo_channel`: conversion, exclusion, relocation, archives."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import Specifier
from packaging.tags import parse_tag

from demo_channel import archive, conversion, elf, entry_points, interpreter, python, requirements
from demo_channel.channel import Inputs
from demo_channel.download import read_wheel_list
from demo_channel.failure import DemoChannelError
from demo_channel.package import (
    EARLIEST,
    PLACEHOLDER,
    PLACEHOLDER_LENGTH,
    About,
    Noarch,
    Package,
    PackageFile,
    Target,
)
from demo_channel.wheels import Kind, classify_tags, read_members, read_wheel, shorten_license

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TARGET = Target(version="3.11.7", subdir="linux-64", timestamp=1_700_000_000_000)
METADATA = """\
Metadata-Version: 2.4
Name: Cargo_Lib
Version: 1.0
Summary: Loads cargo
License-Expression: MIT
Requires-Python: >=3.9
Requires-Dist: bill>=1
Project-URL: Homepage, https://demo.invalid/cargo
"""


def make_wheel(directory: Path, tag: str = "py3-none-any", **members: str) -> Path:
    """A wheel of `Cargo_Lib` 1.0 with these members besides its metadata."""
    path = directory / f"cargo_lib-1.0-{tag}.whl"
    contents = {
        "cargo_lib/__init__.py": "",
        "cargo_lib-1.0.dist-info/METADATA": METADATA,
        "cargo_lib-1.0.dist-info/RECORD": "",
        "cargo_lib-1.0.dist-info/direct_url.json": "{}",
        "cargo_lib-1.0.dist-info/entry_points.txt": "[console_scripts]\nload = cargo_lib:main\n",
        "cargo_lib-1.0.data/scripts/unload": "#!python\nprint('unload')\n",
        "cargo_lib-1.0.data/data/share/cargo.txt": "cargo\n",
        **members,
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in contents.items():
            wheel.writestr(zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10)), text)
    return path


def make_package() -> Package:
    """A small package of two files and a link; out of order."""
    files = (
        PackageFile(path=PurePosixPath("bin/tool"), data=b"#!/bin/sh\n", executable=True),
        PackageFile(path=PurePosixPath("bin/alias"), link_target=PurePosixPath("tool")),
        PackageFile(
            path=PurePosixPath("etc/tool.conf"),
            data=f"{PLACEHOLDER}/share\n".encode(),
            has_placeholder=True,
        ),
    )
    return Package(
        name="tool",
        version="1.0",
        build="0",
        subdir="linux-64",
        timestamp=TARGET.timestamp,
        about=About(summary="A tool", license="MIT"),
        files=files,
        licenses={"LICENSE": b"whole text"},
    )


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


class TestRequirements:
    """Requires-Dist to MatchSpec."""

    @pytest.mark.parametrize(
        ("clause", "expected"),
        [
            ("~=0.1", (">=0.1", "<1")),
            ("~=1.4.2", (">=1.4.2", "<1.5")),
            ("~=1!2.3", (">=1!2.3", "<1!3")),
            ("==1.4.*", ("1.4.*",)),
            ("!=1.5.*", ("!=1.5.*",)),
            ("==1.0", ("==1.0",)),
            ("===1.0", ("==1.0",)),
            ("<2.0a.0", ("<2.0a0",)),
            (">=1.0.post1", (">=1.0.post1",)),
        ],
    )
    def test_clause(self, clause: str, expected: tuple[str, ...]) -> None:
        """Each PEP 440 operator becomes clauses that libsolv reads the same way."""
        assert requirements.convert_specifier(Specifier(clause)) == expected

    def test_name_is_normalised_pypi_name(self) -> None:
        """No name of another channel is put in."""
        requirement = Requirement("IPython_Pygments.Lexers<3,>=1,!=2")

        assert requirements.render_match_spec(requirement) == "ipython-pygments-lexers >=1,!=2,<3"

    def test_url_is_refused(self) -> None:
        """A closed channel cannot hold it."""
        with pytest.raises(DemoChannelError, match="required from a URL"):
            requirements.render_match_spec(Requirement("cargo @ https://demo.invalid/cargo.whl"))

    def render(self, *texts: str, **catalogue: list[str]) -> tuple[str, ...]:
        """Dependencies of a package named `own` on a Linux machine with Python 3.11."""
        environment = {key: str(value) for key, value in default_environment().items()}
        environment |= {"python_version": "3.11", "sys_platform": "linux"}
        return requirements.render_depends(
            "own",
            [Requirement(text) for text in texts],
            {name: [Requirement(r) for r in lines] for name, lines in catalogue.items()},
            environment,
        )

    def test_markers(self) -> None:
        """What is for another platform, another Python or an extra is left out."""
        found = self.render(
            "here; sys_platform == 'linux'",
            "there; sys_platform == 'win32'",
            "old; python_version < '3.10'",
            "more; extra == 'all'",
        )

        assert found == ("here",)

    def test_extra_of_a_dependency(self) -> None:
        """`name[extra]` brings what that extra stands for, not the rest of the other package."""
        found = self.render(
            "files[http]>=2",
            files=["base", "aio; extra == 'http'", "cloud; extra == 'gcs'"],
        )

        assert found == ("aio", "files >=2")

    def test_extra_that_asks_for_itself(self) -> None:
        """An extra made of other extras of the same package ends, without a self-dependency."""
        found = self.render(
            "files[all]",
            files=[
                "files[http]; extra == 'all'",
                "aio; extra == 'http'",
                "files[all]; extra == 'all'",
            ],
        )

        assert found == ("aio", "files")

    def test_extra_of_a_stranger(self) -> None:
        """An extra of what is not in the channel cannot be expanded."""
        with pytest.raises(DemoChannelError, match=r"files\[http\]"):
            self.render("files[http]")


class TestEntryPoints:
    """Console scripts."""

    TEXT = (
        "[console_scripts]\nload = cargo.cli:main [extra]\nBill=cargo:Bill.show\n[other]\nx = y:z\n"
    )

    def test_parse(self) -> None:
        """Scripts of both groups, sorted, extras dropped, other groups ignored."""
        expected = {"Bill": "cargo:Bill.show", "load": "cargo.cli:main"}

        assert entry_points.parse_entry_points(self.TEXT) == expected

    def test_lines(self) -> None:
        """The form that `link.json` has."""
        assert entry_points.render_entry_points({"load": "cargo:main"}) == ("load = cargo:main",)

    def test_script_runs_method(self) -> None:
        """A script imports the first name only and is valid Python."""
        script = entry_points.render_script("cargo.cli:Bill.show")

        compile(script, "load", "exec")
        assert script.startswith(f"#!{PLACEHOLDER}/bin/python\n".encode())
        assert b"from cargo.cli import Bill\n" in script
        assert b"sys.exit(Bill.show())" in script

    @pytest.mark.parametrize("line", [b"#!python\n", b"#!pythonw -E\n", b"#!python\r\n"])
    def test_shebang(self, line: bytes) -> None:
        """`#!python` becomes the placeholder, arguments stay."""
        data, replaced = entry_points.replace_shebang(line)

        assert replaced
        assert data.startswith(f"#!{PLACEHOLDER}/bin/python".encode())

    @pytest.mark.parametrize("line", [b"#!/bin/sh\n", b"#!pythonista\n", b"\x7fELF#!python\n"])
    def test_other_shebang(self, line: bytes) -> None:
        """Anything else is left alone."""
        assert entry_points.replace_shebang(line) == (line, False)


class TestExclusion:
    """What of the base installation is cargo."""

    @pytest.mark.parametrize(
        "path",
        [
            "test/support/__init__.py",
            "unittest/test/test_case.py",
            "idlelib/run.py",
            "tkinter/ttk.py",
            "__pycache__/os.cpython-311.pyc",
            "site-packages/click/core.py",
            "config-3.11-x86_64-linux-gnu/libpython3.11.a",
            "config-3.11-x86_64-linux-gnu/libpython3.11.so",
            "EXTERNALLY-MANAGED",
            "sitecustomize.py",
            "_tkinter.cpython-311-x86_64-linux-gnu.so",
            "_testcapi.cpython-311-x86_64-linux-gnu.so",
            "nis.cpython-311-x86_64-linux-gnu.so",
        ],
    )
    def test_left_out(self, path: str) -> None:
        """Tests, bytecode, static libraries, host configuration, window systems."""
        assert interpreter.is_left_out(PurePosixPath(path))

    @pytest.mark.parametrize(
        "path",
        [
            "os.py",
            "unittest/case.py",
            "ensurepip/_bundled/pip-23.2.1-py3-none-any.whl",
            "config-3.11-x86_64-linux-gnu/Makefile",
            "_xxsubinterpreters.cpython-311-x86_64-linux-gnu.so",
            "_ssl.cpython-311-x86_64-linux-gnu.so",
            "doctest.py",
        ],
    )
    def test_kept(self, path: str) -> None:
        """What looks similar and is needed."""
        assert not interpreter.is_left_out(PurePosixPath(path))


class TestRelocation:
    """Paths of the machine in text and binary files, and RPATHs."""

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("bin/python3.11", "$ORIGIN/../lib"),
            ("lib/libssl.so.3", "$ORIGIN"),
            ("lib/python3.11/lib-dynload/_ssl.so", "$ORIGIN/../.."),
            ("lib/python3.11/site-packages/a/b/c.so", "$ORIGIN/../../../.."),
        ],
    )
    def test_rpath(self, path: str, expected: str) -> None:
        """From any place to the prefix's `lib`."""
        assert elf.render_rpath(PurePosixPath(path)) == expected

    def test_placeholder(self) -> None:
        """As long as conda-build makes it."""
        assert len(PLACEHOLDER.encode()) == PLACEHOLDER_LENGTH

    def test_neutralise_keeps_length_and_tail(self) -> None:
        """The last component stays: another string may share the tail."""
        data = b"\0/home/me/versions/3.11.7/lib\0/home/me/versions/3.11.70\0"

        found = elf.neutralise(data, ["/home/me/versions/3.11.7"])

        assert len(found) == len(data)
        assert found == b"\0/pppppppppppppppp/3.11.7/lib\0/home/me/versions/3.11.70\0"

    def test_neutralise_longest_first(self) -> None:
        """A root inside another one is not left half replaced."""
        found = elf.neutralise(b"/a/bb/cc/x", ["/a/bb", "/a/bb/cc"])

        assert found == b"/pppp/cc/x"

    def test_text(self) -> None:
        """Prefix and build directory, also behind an option letter."""
        text = b"-L/home/me/py/lib /home/me/python /tmp/build.1/Python/x"

        found = python.relocate_text(text, ("/home/me/py",), ("/tmp/build.1/Python",))

        neutral = python.NEUTRAL_BUILD_DIRECTORY
        assert found.decode() == f"-L{PLACEHOLDER}/lib /home/me/python {neutral}/x"

    @pytest.mark.parametrize(
        ("text", "changed"),
        [
            ("'prefix': '/usr',", True),
            ("-I/usr/include/python3.11", True),
            ("'/usr/lib/python3.11/lib-dynload'", True),
            ("'BINDIR': '/usr/bin',", True),
            ("'/usr/bin/install -c'", False),
            ("'/usr/local/lib'", False),
            ("'/usr/include/tcl8.6'", False),
            ("'./usr/lib/python3.11'", False),
        ],
    )
    def test_text_of_a_shared_root(self, text: str, *, changed: bool) -> None:
        """Of `/usr` only what is Python's."""
        found = python.relocate_text(text.encode(), ("/usr",), ()).decode()

        assert found == (text.replace("/usr", PLACEHOLDER, 1) if changed else text)

    def test_ldd(self) -> None:
        """What is glibc's own stays on the machine, everything else is carried."""
        output = (
            "/x/bin/python3.11:\n"
            "\tlinux-vdso.so.1 (0x00007fff)\n"
            "\tlibssl.so.3 => /lib/x86_64-linux-gnu/libssl.so.3 (0x00007f91)\n"
            "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f92)\n"
            "\tlibcrypt.so.1 => not found\n"
            "\t/lib64/ld-linux-x86-64.so.2 (0x00007f93)\n"
        )
        expected = {
            "libssl.so.3": "/lib/x86_64-linux-gnu/libssl.so.3",
            "libcrypt.so.1": "not found",
        }

        assert elf.parse_ldd(output) == expected

    def test_not_elf(self) -> None:
        """A damaged or foreign file needs nothing."""
        assert elf.read_needed(b"\x7fELF junk") == (frozenset(), False)

    def test_debian_sysconfig(self) -> None:
        """Upstream's schemes are in force before a default argument takes Debian's."""
        text = (
            "def _get_preferred_schemes():\n    return {'prefix': 'posix_local'}\n\n"
            "def get_preferred_scheme(key):\n    return _get_preferred_schemes()[key]\n\n"
            "def get_path(scheme=get_preferred_scheme('prefix')):\n    return scheme\n"
        )
        namespace: dict[str, object] = {}

        exec(python.plain_sysconfig(text), namespace)  # noqa: S102  # our own text

        get_path = namespace["get_path"]
        assert callable(get_path)
        assert get_path() == "posix_prefix"

    def test_unknown_sysconfig(self) -> None:
        """A module of another shape is refused, not shipped wrong."""
        with pytest.raises(DemoChannelError, match="not understood"):
            python.plain_sysconfig("import os\n")


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
