"""The python that runs the tests, as a small package `python`, and pure packages and wheels for it.

The package holds no interpreter: it is a virtual environment around the one of the tests, so that
an environment of a few kilobytes compiles bytecode, lets uv install and runs programs. Its tarball
names a place of this machine and is for tests alone.
"""

import base64
import csv
import hashlib
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from simulators.channel import File, Package, Symlink

__all__ = ["SITE_PACKAGES", "python_package", "write_wheel"]

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES = f"lib/python{VERSION}/site-packages"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def python_package(*, build: str = "0", has_user_site: bool = False) -> Package:
    """The package.

    Args:
        build: Its build string; another one is another archive.
        has_user_site: Whether it looks into the site directory of the user, as a real one does.
    """
    home = Path(sys.base_prefix, "bin")
    # The first argument is where python looks for the environment that it belongs to.
    program = f'#!/bin/bash\n# {build}\nexec -a "$0" {home}/python{VERSION} "$@"\n'
    answer = "true" if has_user_site else "false"
    settings = f"home = {home}\ninclude-system-site-packages = {answer}\n"
    return Package(
        name="python",
        version=f"{VERSION}.0",
        build=build,
        files={
            f"bin/python{VERSION}": File(program.encode(), 0o755),
            "bin/python": Symlink(f"python{VERSION}"),
            "pyvenv.cfg": settings.encode(),
        },
    )


def write_wheel(
    directory: Path, name: str, version: str = "1.0", members: Mapping[str, str] | None = None
) -> Path:
    """A pure wheel with a module and a console script of its name, and `members` (path → text)."""
    info = f"{name}-{version}.dist-info"
    contents = {
        f"{name}.py": f"def main(): print({name!r}, {version!r})\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        **(members or {}),
    }
    record = io.StringIO()
    rows = [[path, *_hash_and_size(text.encode())] for path, text in contents.items()]
    csv.writer(record, lineterminator="\n").writerows([*rows, [f"{info}/RECORD", "", ""]])
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**contents, f"{info}/RECORD": record.getvalue()}.items():
            archive.writestr(zipfile.ZipInfo(member, _ZIP_EPOCH), text)
    return path


def _hash_and_size(data: bytes) -> tuple[str, str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(data))
