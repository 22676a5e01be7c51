"""What the demo channel's packages have besides the files of their wheels."""

from __future__ import annotations

import json
import marshal
import sys
from pathlib import PurePosixPath

from demo_channel import archive, bytecode, development
from demo_channel.package import PLACEHOLDER, About, Package, PackageFile, Target

SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"
TARGET = Target(version=f"{SERIES}.1", subdir="linux-64", timestamp=1_700_000_000_000)
LIBRARY = PurePosixPath(TARGET.site_packages)


def package(*files: PackageFile) -> Package:
    """A compiled package of `files`."""
    return Package(
        name="cargo",
        version="1.0",
        build="0",
        subdir="linux-64",
        timestamp=TARGET.timestamp,
        about=About(),
        files=files,
        licenses={},
    )


def test_bytecode_records_its_source() -> None:
    """It has time and size of the member, a path in the prefix, and the same bytes each time."""
    source = PackageFile(path=LIBRARY / "m.py", data=b"def f(): return {'a', 'b'}\n")
    held = PackageFile(path=LIBRARY / "held.py", data=PLACEHOLDER.encode(), has_placeholder=True)
    broken = PackageFile(path=LIBRARY / "broken.py", data=b"def (")
    bare = package(source, held, broken)
    first, second = (bytecode.add_bytecode(bare, TARGET) for _ in range(2))
    [made] = set(first.files) - set(bare.files)
    code = marshal.loads(made.data[16:])  # noqa: S302  # made right above
    assert (first, str(LIBRARY / "m.py"), 1_700_000_000, len(source.data)) == (
        second,
        code.co_filename,
        int.from_bytes(made.data[8:12], "little"),
        int.from_bytes(made.data[12:16], "little"),
    )


def test_libraries_come_with_files_for_developers() -> None:
    """Text and libraries hold the placeholder, and the list of the package says so."""
    library = PackageFile(path=PurePosixPath("lib/libcargo.so.1"), data=b"\x7fELF...")
    module = PackageFile(path=LIBRARY / "m.so", data=b"\x7fELF...")
    result = development.add_development_files(package(library, module))
    info = {str(file.path): file.data for file in archive.render_info(result)}
    held = {
        item["_path"]: item["file_mode"]
        for item in json.loads(info["info/paths.json"])["paths"]
        if "prefix_placeholder" in item
    }
    assert {
        "bin/cargo-config": "text",
        "lib/cmake/cargo/cargo-config.cmake": "text",
        "lib/cmake/cargo/libcargo.so.1-targets.cmake": "text",
        f"lib/cmake/cargo/python{SERIES}.site-packages.m.so-targets.cmake": "text",
        "lib/libcargo.so.1": "binary",
        "lib/pkgconfig/cargo.pc": "text",
    } == held
    assert all(PLACEHOLDER.encode() in file.data for file in result.files if str(file.path) in held)


def test_a_package_without_libraries_stays_as_it_is() -> None:
    """Plain files need nothing of that."""
    plain = package(PackageFile(path=PurePosixPath("share/x"), data=b"x"))
    assert plain == development.add_development_files(plain)
