"""The pure parts of `scripts/demo_channel`: conversion, exclusion, relocation, archives."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import Specifier

from demo_channel import elf, entry_points, interpreter, python, requirements
from demo_channel.failure import DemoChannelError
from demo_channel.package import (
    PLACEHOLDER,
    PLACEHOLDER_LENGTH,
)


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
