"""A package index of small real wheels, as files to be served, for tests.

    index = WheelIndex(tmp_path / "index")
    index.add_wheel("tool", "1.0", requires=("other>=2",))
    index.add_source("old", "1.0")
    with serve_directory(index.root) as url: ...   # the index is url + "/simple"

    with serve_json(index, {"tool-1.0-py3-none-any.whl": "2026-01-01T00:00:00Z"}) as url: ...

Source: PEP 503 (index pages), PEP 691 and 700 (in JSON, with times), PEP 427 (wheels), PEP 517
(building them).
"""

import functools
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from simulators.webserver import Silent, running

__all__ = ["WheelIndex", "serve_json"]

JSON_PAGE = "application/vnd.pypi.simple.v1+json"

_BACKEND = """\
import pathlib
import zipfile

INFORMATION = "{name}-{version}.dist-info"
MEMBERS = {{
    "METADATA": {metadata!r},
    "WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}}

def prepare_metadata_for_build_wheel(directory, settings=None):
    place = pathlib.Path(directory, INFORMATION)
    place.mkdir()
    for member, content in MEMBERS.items():
        (place / member).write_text(content)
    return INFORMATION

def build_wheel(directory, settings=None, metadata=None):
    name = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as archive:
        contents = {{INFORMATION + "/" + member: text for member, text in MEMBERS.items()}}
        contents["{name}.py"] = pathlib.Path("{name}.py").read_text()
        for member, content in (*contents.items(), (INFORMATION + "/RECORD", "")):
            archive.writestr(zipfile.ZipInfo(member), content)
    return name
"""


class WheelIndex:
    """An index directory that grows."""

    def __init__(self, root: Path) -> None:
        """An index at `root`, which is made where it does not exist."""
        self.root = root
        self._files: dict[str, list[Path]] = {}

    def add_wheel(
        self,
        name: str,
        version: str,
        requires: Sequence[str] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> Path:
        """A pure wheel that needs `requires`; `files` are further members."""
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
            **(files or {}),
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

    def add_real_source(self, name: str, version: str, requires: Sequence[str] = ()) -> Path:
        """A source distribution that builds: it brings the backend that it is built with.

        Only a build tells what it needs.
        """
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        members = {
            "pyproject.toml": (
                '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            ),
            "backend.py": _BACKEND.format(
                name=name, version=version, metadata="\n".join(metadata) + "\n"
            ),
            f"{name}.py": f"version = {version!r}\n",
            "PKG-INFO": f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n",
        }
        path = self._new_file(name, f"{name}-{version}.tar.gz")
        with tarfile.open(path, "w:gz") as archive:
            for member, content in members.items():
                information = tarfile.TarInfo(f"{name}-{version}/{member}")
                information.size = len(content.encode())
                archive.addfile(information, io.BytesIO(content.encode()))
        self._write_page(name)
        return path

    def json_page(self, name: str, uploaded: Mapping[str, str]) -> bytes | None:
        """The page of `name` in JSON; `uploaded` is file name → time, others say none."""
        if name not in self._files:
            return None
        files = [
            {
                "filename": path.name,
                "url": f"../../files/{path.name}",
                "hashes": {"sha256": _sha256(path)},
                **({"upload-time": uploaded[path.name]} if path.name in uploaded else {}),
            }
            for path in self._files[name]
        ]
        document = {"meta": {"api-version": "1.1"}, "name": name, "files": files}
        return json.dumps(document).encode()

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


class _JsonPages(Silent):
    """Serves an index whose pages are JSON for those who ask for it."""

    def __init__(
        self, index: WheelIndex, uploaded: Mapping[str, str], *arguments: object, **options: object
    ) -> None:
        self._index = index
        self._uploaded = uploaded
        super().__init__(*arguments, directory=str(index.root), **options)

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server looks for
        """Answer."""
        parts = self.path.strip("/").split("/")
        if parts[0] != "simple" or self.headers.get("Accept") != JSON_PAGE:
            super().do_GET()
            return
        page = self._index.json_page(parts[-1], self._uploaded)
        if page is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", JSON_PAGE)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


@contextmanager
def serve_json(index: WheelIndex, uploaded: Mapping[str, str]) -> Iterator[str]:
    """The URL of a server of `index`; `uploaded` is file name → time of its upload."""
    with running(functools.partial(_JsonPages, index, uploaded)) as url:
        yield url
