"""Wheel to conda package.

A pure wheel becomes `noarch: python`; one that is bound to a platform but to no series of CPython
the same in the platform's subdir (CEP 20); a compiled one a package of the platform and the series.
Of a program that only travels as a wheel the executables alone are taken: no Python needed.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from demo_channel.elf import MAGIC, RUNTIME_PACKAGES, read_needed, render_rpath, run_patchelf
from demo_channel.entry_points import (
    parse_entry_points,
    render_entry_points,
    render_script,
    replace_shebang,
)
from demo_channel.failure import DemoChannelError
from demo_channel.package import Noarch, Package, PackageFile
from demo_channel.requirements import render_version_spec
from demo_channel.wheels import Kind, read_members

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from demo_channel.package import Target
    from demo_channel.wheels import Member, Wheel

_NOT_KEPT = frozenset(
    {"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"}
)
_INSTALLER = b"conda\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPackage:
    """A package of plain files out of a wheel.

    Attributes:
        name: Conda package name.
        wheel: Normalised name of the wheel.
        summary: One line.
        files: Path in the wheel to path in the prefix.
    """

    name: str
    wheel: str
    summary: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the files of one wheel go, in the package and in the prefix.

    Attributes:
        name: Normalised name of the wheel.
        noarch: Whether the package is `noarch: python`.
        target: Interpreter and platform.
    """

    name: str
    noarch: bool
    target: Target

    @property
    def site_packages(self) -> PurePosixPath:
        """Directory of Python packages, in the package."""
        return PurePosixPath("site-packages" if self.noarch else self.target.site_packages)

    @property
    def scripts(self) -> PurePosixPath:
        """Directory of scripts, in the package."""
        return PurePosixPath("python-scripts" if self.noarch else "bin")

    def place(self, member: PurePosixPath) -> PurePosixPath | None:
        """Where a member goes in the package; None if it is not kept.

        Raises:
            DemoChannelError: The member belongs to an unknown installation scheme.

        Source: binary distribution format, "Installing a wheel".
        """
        first, *rest = member.parts
        if member.suffix == ".pyc" or (first.endswith(".dist-info") and member.name in _NOT_KEPT):
            return None
        if not first.endswith(".data") or not rest:
            return self.site_packages / member
        scheme, inner = rest[0], PurePosixPath(*rest[1:])
        directories = {
            "purelib": self.site_packages,
            "platlib": self.site_packages,
            "scripts": self.scripts,
            "data": PurePosixPath(),
            "headers": PurePosixPath("include", "site", self.name),
        }
        if scheme not in directories:
            message = f"{self.name} holds {member}"
            raise DemoChannelError(message, hint="use another version of it")
        return directories[scheme] / inner

    def install(self, path: PurePosixPath) -> PurePosixPath:
        """Where a file of the package lies in the prefix, once linked."""
        if path.is_relative_to(self.site_packages):
            return PurePosixPath(self.target.site_packages, path.relative_to(self.site_packages))
        if path.is_relative_to(self.scripts):
            return PurePosixPath("bin", path.relative_to(self.scripts))
        return path


def convert_wheel(
    wheel: Wheel, target: Target, depends: Sequence[str], runtime: frozenset[str]
) -> Package:
    """The package of one wheel.

    Args:
        wheel: What to convert.
        target: Interpreter and platform.
        depends: MatchSpecs of its Requires-Dist.
        runtime: Sonames that the channel has packages of.
    """
    noarch = wheel.kind is not Kind.COMPILED
    layout = Layout(name=wheel.name, noarch=noarch, target=target)
    members = list(read_members(wheel.path))
    files = [file for member in members if (file := _convert_member(member, layout)) is not None]
    scripts = _find_entry_points(members)
    if not noarch:
        files += [_make_script(name, reference) for name, reference in scripts.items()]
    files, libraries = relocate_extensions(files, layout, runtime)
    files += _make_installation_record(files, layout, members)
    return Package(
        name=wheel.name,
        version=wheel.version,
        build="py_0" if noarch else f"py{target.tag}_0",
        subdir="noarch" if wheel.kind is Kind.PURE else target.subdir,
        depends=tuple(sorted({*depends, *_require_python(wheel, target), *libraries})),
        noarch=Noarch.PYTHON if noarch else None,
        timestamp=wheel.timestamp,
        about=wheel.about,
        entry_points=render_entry_points(scripts) if noarch else (),
        files=tuple(files),
        licenses={},
    )


def convert_tool(wheel: Wheel, target: Target, runtime: frozenset[str]) -> Package:
    """The package of a program that a wheel carries: `bin/NAME` and its data, no Python.

    Args:
        wheel: Holds the program as an ELF file in `.data/scripts`.
        target: Platform.
        runtime: Sonames that the channel has packages of.

    Raises:
        DemoChannelError: There is no such program in it.
    """
    layout = Layout(name=wheel.name, noarch=False, target=target)
    members = list(read_members(wheel.path))
    carried = [m for m in members if m.path.parts[0].endswith(".data")]
    files = [
        file
        for member in carried
        if (member.data.startswith(MAGIC) or member.path.parts[1] == "data")
        and (file := _convert_member(member, layout)) is not None
    ]
    if not any(file.path.parts[0] == "bin" for file in files):
        message = f"{wheel.name} has no program"
        raise DemoChannelError(message, hint="remove it from tools in wheels.toml")
    files, libraries = relocate_extensions(files, layout, runtime)
    return Package(
        name=wheel.name,
        version=wheel.version,
        build="0",
        subdir=target.subdir,
        depends=tuple(sorted(libraries)),
        timestamp=wheel.timestamp,
        about=wheel.about,
        files=tuple(files),
        licenses=_find_licenses(members),
    )


def convert_data(wheel: Wheel, wanted: DataPackage) -> Package:
    """The `noarch: generic` package of some plain files of a wheel.

    Raises:
        DemoChannelError: One of them is not there.
    """
    members = {str(member.path): member for member in read_members(wheel.path)}
    if missing := sorted(wanted.files.keys() - members.keys()):
        message = f"{wheel.path.name} has no {missing[0]}"
        raise DemoChannelError(message, hint=f"correct {wanted.name} in wheels.toml")
    return Package(
        name=wanted.name,
        version=wheel.version,
        build="0",
        subdir="noarch",
        noarch=Noarch.GENERIC,
        timestamp=wheel.timestamp,
        about=replace(wheel.about, summary=wanted.summary),
        files=tuple(
            PackageFile(path=PurePosixPath(path), data=members[source].data)
            for source, path in sorted(wanted.files.items())
        ),
        licenses=_find_licenses(members.values()),
    )


def relocate_extensions(
    files: Sequence[PackageFile], layout: Layout, runtime: frozenset[str]
) -> tuple[list[PackageFile], frozenset[str]]:
    """The same files, with ELF files that find the C runtime in the prefix, and what to depend on.

    Args:
        files: Cargo of one package.
        layout: Where they go.
        runtime: Sonames that the channel has packages of; one that the package brings itself is
            left alone.

    Returns:
        The files in the same order, and names of C runtime packages.
    """
    provided = {file.path.name for file in files}
    found = {f.path: read_needed(f.data) for f in files if f.data.startswith(MAGIC)}
    needed = {
        path: wanted for path, (all_, _) in found.items() if (wanted := all_ & runtime - provided)
    }
    edits = {}
    for path in needed:
        rpath = render_rpath(layout.install(path))
        if not found[path][1] and found[path][0] & provided:
            # It has counted on the RPATH of whoever loads it; now it has its own, so say all of it.
            rpath = f"$ORIGIN:{rpath}"
        edits[path] = ("--force-rpath", "--add-rpath", rpath)
    with tempfile.TemporaryDirectory(prefix="demo-channel-") as temporary:
        staged = {file.path: Path(temporary, file.path) for file in files if file.path in edits}
        for file in files:
            if file.path in staged:
                staged[file.path].parent.mkdir(parents=True, exist_ok=True)
                staged[file.path].write_bytes(file.data)
        run_patchelf(edits, Path(temporary))
        relocated = [
            replace(file, data=staged[file.path].read_bytes()) if file.path in staged else file
            for file in files
        ]
    return relocated, frozenset(RUNTIME_PACKAGES[s] for wanted in needed.values() for s in wanted)


def render_record(files: Iterable[PackageFile], layout: Layout, record: PurePosixPath) -> bytes:
    """The `RECORD` of an installed distribution.

    Args:
        files: Everything that is installed, but for `RECORD`; one with a placeholder changes when
            it is linked and so has no digest.
        layout: Where they go.
        record: Prefix-relative path of `RECORD` itself.

    Source: "Recording installed projects" of the Python Packaging Authority.
    """
    root = PurePosixPath(layout.target.site_packages)
    up = PurePosixPath(*[".."] * len(root.parts))
    rows = [(record.relative_to(root).as_posix(), "", "")]
    for file in files:
        path = layout.install(file.path)
        shown = path.relative_to(root) if path.is_relative_to(root) else up / path
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.data).digest()).rstrip(b"=").decode()
        known = (f"sha256={digest}", str(len(file.data)))
        rows.append((shown.as_posix(), *(("", "") if file.has_placeholder else known)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode()


def _convert_member(member: Member, layout: Layout) -> PackageFile | None:
    """One file of the package; None if the member is not kept."""
    path = layout.place(member.path)
    if path is None:
        return None
    is_script = path.is_relative_to(layout.scripts) and member.path.parts[0].endswith(".data")
    data, replaced = replace_shebang(member.data) if is_script else (member.data, False)
    return PackageFile(
        path=path,
        data=data,
        executable=member.executable or is_script,
        has_placeholder=replaced,
    )


def _make_script(name: str, reference: str) -> PackageFile:
    """The file of one console script of a compiled package."""
    return PackageFile(
        path=PurePosixPath("bin", name),
        data=render_script(reference),
        executable=True,
        has_placeholder=True,
    )


def _make_installation_record(
    files: Sequence[PackageFile], layout: Layout, members: Sequence[Member]
) -> list[PackageFile]:
    """`INSTALLER` and `RECORD` of one wheel's `.dist-info`."""
    directory = layout.site_packages / next(
        m.path.parts[0] for m in members if m.path.parts[0].endswith(".dist-info")
    )
    installer = PackageFile(path=directory / "INSTALLER", data=_INSTALLER)
    record = directory / "RECORD"
    data = render_record([*files, installer], layout, layout.install(record))
    return [installer, PackageFile(path=record, data=data)]


def _find_entry_points(members: Iterable[Member]) -> dict[str, str]:
    """Script name to `module:function` of one wheel, sorted by name; may be empty."""
    for member in members:
        first, *rest = member.path.parts
        if first.endswith(".dist-info") and rest == ["entry_points.txt"]:
            return parse_entry_points(member.data.decode())
    return {}


def _find_licenses(members: Iterable[Member]) -> dict[str, bytes]:
    """File name to text of the license files that one wheel carries."""
    return {
        member.path.name: member.data
        for member in members
        if member.path.parts[0].endswith(".dist-info") and "licenses" in member.path.parts
    }


def _require_python(wheel: Wheel, target: Target) -> tuple[str, ...]:
    """What a package of this kind needs of Python."""
    if wheel.kind is Kind.COMPILED:
        major, minor = target.series.split(".")
        return (
            f"python >={target.series},<{major}.{int(minor) + 1}.0a0",
            f"python_abi {target.series}.* *_cp{target.tag}",
        )
    return (f"python {render_version_spec(SpecifierSet(wheel.requires_python))}".rstrip(),)
