"""Packages that attack the machine they are built on, for tests.

    for attack in ATTACKS:
        attack.packages(tmp_path)   # what to lock and install; the place is known to the attacker

Every attack aims at what lies in `victims(tmp_path)`: files that must stay as they are, one of
which holds `SECRET`, which must reach no tarball. `attack.words` stand in the refusal.
"""

import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from simulators.channel import Package, Symlink

__all__ = ["ATTACKS", "SECRET", "Attack", "victims"]

SECRET = b"-----BEGIN PRIVATE KEY----- of the build host"
UP = "../../../../../"
"""From the prefix of a project to the directory that holds the project."""


def victims(root: Path) -> dict[str, bytes]:
    """What lies in `root/home` and may be attacked, made where it is missing: path → content."""
    home = root / "home"
    home.mkdir(exist_ok=True)
    for name, data in (("id_rsa", SECRET), (".bashrc", b"# mine\n")):
        if not (home / name).exists():
            (home / name).write_bytes(data)
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*"))}


@dataclass(frozen=True, slots=True)
class Attack:
    """Packages made to do harm.

    Attributes:
        name: Of the attack, for test ids.
        packages: Makes them; is given the directory that holds the project and `home`.
        words: Of the refusal.
    """

    name: str
    packages: Callable[[Path], Sequence[Package]]
    words: tuple[str, ...]


def _member(path: str, type_: bytes = tarfile.REGTYPE, target: str = "", data: bytes = b""):  # noqa: ANN202
    member = tarfile.TarInfo(path)
    member.type, member.linkname, member.size = type_, target, len(data)
    return member, data


def _listed(package: Package, *paths: Mapping[str, object]) -> Package:
    """The package, with another `paths.json`."""
    document = {"paths_version": 1, "paths": [{"path_type": "hardlink", **item} for item in paths]}
    return replace(package, info={**package.info, "paths.json": json.dumps(document).encode()})


def _lists(path: str, *members: tuple[tarfile.TarInfo, bytes], **more: object) -> Package:
    """A package that lists `path` as a plain file without digest, and holds `members`."""
    return _listed(Package(name="evil", raw_members=members, **more), {"_path": path})


def _old(package: Package, *paths: str) -> Package:
    """The package in the format before 2017, with `info/files` alone."""
    listed = "".join(f"{path}\n" for path in paths).encode()
    return replace(package, archive_format=".tar.bz2", info={"paths.json": None, "files": listed})


def _link_and_file(target: str) -> Sequence[Package]:
    return (
        Package(name="linker", files={"share/v": Symlink(target)}),
        Package(
            name="writer",
            depends=("linker",),
            files={"share/v/.bashrc": b"pwned\n", "share/v/.profile": b"pwned\n"},
        ),
    )


ATTACKS = (
    Attack(
        "a path that leaves the prefix, to delete",
        lambda _: [_lists(f"{UP}home/.bashrc")],
        ("evil", "unsafe"),
    ),
    Attack(
        "a path that leaves the prefix, to write",
        lambda _: [
            Package(name="other", files={"share/x": b"pwned"}),
            _lists("../other-1.0-0/share/x"),
        ],
        ("evil", "unsafe"),
    ),
    Attack(
        "an absolute path",
        lambda root: [_lists(str(root / "home/.bashrc"))],
        ("evil", "unsafe"),
    ),
    Attack(
        "a file below another package's absolute link",
        lambda root: _link_and_file(str(root / "home")),
        ("linker", "share/v"),
    ),
    Attack(
        "a file below another package's link that leaves the prefix",
        lambda _: _link_and_file(f"../{UP}home"),
        ("linker", "share/v"),
    ),
    Attack(
        "a file below another package's link that stays in the prefix",
        lambda _: _link_and_file("w"),
        ("linker", "writer", "share/v"),
    ),
    Attack(
        "a link that leaves by way of another link",
        lambda _: [
            Package(
                name="linker", files={"a/b/c/d": Symlink("../../.."), "x": Symlink("a/b/c/d/..")}
            ),
        ],
        ("linker", "x"),
    ),
    Attack(
        "a link for bytecode",
        lambda root: [
            Package(
                name="linker",
                noarch="generic",
                files={"lib/python3.11/site-packages/m/__pycache__": Symlink(str(root / "home"))},
            )
        ],
        ("linker", "__pycache__"),
    ),
    Attack(
        "a file that is a link in the archive",
        lambda root: [
            _lists("share/key", _member("share/key", tarfile.SYMTYPE, str(root / "home/id_rsa")))
        ],
        ("evil", "share/key"),
    ),
    Attack(
        "a file that is a link that stays in the prefix",
        lambda _: [
            _lists(
                "share/key",
                _member("share/data", data=b"x"),
                _member("share/key", tarfile.SYMTYPE, "data"),
            )
        ],
        ("evil", "share/key"),
    ),
    Attack(
        "a file that is a link, in a .tar.bz2",
        lambda root: [
            _lists(
                "share/key",
                _member("share/key", tarfile.SYMTYPE, str(root / "home/id_rsa")),
                archive_format=".tar.bz2",
            )
        ],
        ("evil", "share/key"),
    ),
    Attack(
        "a link to a file outside, in the format before 2017",
        lambda root: [
            _old(
                Package(name="evil", files={"share/key": Symlink(str(root / "home/id_rsa"))}),
                "share/key",
            )
        ],
        ("evil", "share/key"),
    ),
    Attack(
        "a hard link to a file outside",
        lambda root: [
            _lists("share/key", _member("share/key", tarfile.LNKTYPE, str(root / "home/id_rsa")))
        ],
        ("evil", "share/key"),
    ),
    Attack(
        "a file below a linked directory of the archive",
        lambda root: [
            _lists("share/d/id_rsa", _member("share/d", tarfile.SYMTYPE, str(root / "home")))
        ],
        ("evil", "share/d"),
    ),
    Attack(
        "a link below info",
        lambda root: [
            _lists(
                "info/key",
                _member("info/key", tarfile.SYMTYPE, str(root / "home/id_rsa")),
                archive_format=".tar.bz2",
            )
        ],
        ("evil", "info/key"),
    ),
    Attack(
        "a named pipe",
        lambda _: [_lists("share/pipe", _member("share/pipe", tarfile.FIFOTYPE))],
        ("evil", "share/pipe"),
    ),
    Attack(
        "a device",
        lambda _: [_lists("share/null", _member("share/null", tarfile.CHRTYPE))],
        ("evil", "share/null"),
    ),
    Attack(
        "another package in the archive",
        lambda _: [Package(name="evil", info={"index.json": _index("python", "3.13.1")})],
        ("evil-1.0-0", "python 3.13.1"),
    ),
    Attack(
        "a file in the place of a directory",
        lambda _: [
            Package(name="one", files={"share/x": b"file"}),
            Package(name="two", files={"share/x/y": b"below"}),
        ],
        ("one", "two", "share/x"),
    ),
    Attack(
        "a path that is listed twice",
        lambda _: [
            _listed(
                Package(name="evil", files={"share/x": b"file"}),
                {"_path": "share/x"},
                {"_path": "share/x"},
            )
        ],
        ("evil", "share/x"),
    ),
    Attack(
        "a file that is not there",
        lambda _: [_lists("share/x")],
        ("evil", "share/x"),
    ),
)
"""All attacks; each was seen to do harm, or to end in a panic of an engine, or nearly so."""


def _index(name: str, version: str) -> bytes:
    return json.dumps({**Package(name=name, version=version).index_json()}).encode()
