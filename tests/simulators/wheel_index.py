"""A package index of small real wheels, as files to be served, for tests.

    index = WheelIndex(tmp_path / "index")
    index.add_wheel("tool", "1.0", requires=("other>=2",))
    index.add_source("old", "1.0")
    with serve_directory(index.root) as url: ...   # the index is url + "/simple"

Source: PEP 503 (index pages), PEP 427 (wheels).
"""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["WheelIndex"]


class WheelIndex:
    """An index directory that grows."""

    def __init__(self, root: Path) -> None:
        """An index at `root`, which is made where it does not exist."""
        self.root = root
        self._files: dict[str, list[Path]] = {}

    def add_wheel(self, name: str, version: str, requires: Sequence[str] = ()) -> Path:
        """A pure wheel that needs `requires`."""
        information = f"{name}-{version}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        members = {
            f"{name}.py": f"version = {version!r}\n",
            f"{information}/METADATA": "\n".join(metadata) + "\n",
            f"{information}/WHEEL": (
                "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            ),
            f"{information}/RECORD": "",
        }
        path = self._new_file(name, f"{name}-{version}-py3-none-any.whl")
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in members.items():
                archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), content)
        self._write_page(name)
        return path

    def add_source(self, name: str, version: str) -> Path:
        """A source distribution, not even an archive: nobody is to open it."""
        path = self._new_file(name, f"{name}-{version}.tar.gz")
        path.write_bytes(b"no archive")
        self._write_page(name)
        return path

    def _new_file(self, name: str, file_name: str) -> Path:
        path = self.root / "files" / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files.setdefault(name, []).append(path)
        return path

    def _write_page(self, name: str) -> None:
        page = self.root / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        links = [
            f'<a href="../../files/{path.name}#sha256={_sha256(path)}">{path.name}</a><br>'
            for path in self._files[name]
        ]
        page.write_text(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
