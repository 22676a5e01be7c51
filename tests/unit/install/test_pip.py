"""The pip part of an environment."""

import base64
import csv
import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from lading.errors import (
    ArchiveError,
    EngineFailedError,
    LockError,
    PrefixChangedError,
    PrefixError,
)
from lading.install.pip import PipInstall, install_pip_packages, pip_payloads
from lading.lock.model import LockedPackage, Manager
from lading.package.payload import Payload, PythonLayout
from lading.system.digest import sha256_of_file

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/python{VERSION}/site-packages"
PYTHON = PythonLayout(VERSION, SITE, f"bin/python{VERSION}", "d" * 64)
HELP = '#!python\n"""Help."""\nprint(__doc__)\n'


def wheel(directory: Path, name: str, members: Mapping[str, str] | None = None) -> LockedPackage:
    """A wheel of `name` 1.0 with `members` (path → text), and its entry in a lock."""
    directory.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    contents = {key.replace("DIST", f"{name}-1.0"): text for key, text in (members or {}).items()}
    contents |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [[key, *_hash_and_size(text.encode())] for key, text in contents.items()]
    record = io.StringIO()
    csv.writer(record, lineterminator="\n").writerows([*rows, [f"{info}/RECORD", "", ""]])
    path = directory / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for key, text in {**contents, f"{info}/RECORD": record.getvalue()}.items():
            archive.writestr(key, text)
    return locked(name, path)


def locked(name: str, path: Path) -> LockedPackage:
    """The entry of a lock for a wheel."""
    return LockedPackage(
        name=name,
        version="1.0",
        manager=Manager.PIP,
        url=f"https://files.invalid/{path.name}",
        sha256=sha256_of_file(path),
        dependencies={},
    )


def _hash_and_size(data: bytes) -> tuple[str, str]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}", str(len(data))


def two_wheels(directory: Path) -> tuple[LockedPackage, ...]:
    """One wheel with a console script, a script with help and a data file, and a plain one."""
    return (
        wheel(
            directory,
            "loader",
            {
                "loader.py": "def main(): print('loaded', __import__('sys').argv[1:])\n",
                "DIST.dist-info/entry_points.txt": "[console_scripts]\nload = loader:main\n",
                "DIST.data/scripts/helped": HELP,
                "DIST.data/data/share/loader/conf": "conf\n",
                "__pycache__/loader.cpython-30.pyc": "stale",
            },
        ),
        wheel(directory, "plain_thing", {"plain_thing.py": "x = 1\n"}),
    )


def make_prefix(path: Path) -> Path:
    """A prefix with the python of this test in it; it needs no activation."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--copies", "--without-pip", path], check=True, timeout=60
    )
    return path


@pytest.fixture(scope="module")
def prefixes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two prefixes in places of different length, with the same two wheels installed."""
    root = tmp_path_factory.mktemp("pip")
    packages = two_wheels(root / "wheels")
    places = (root / "one", root / "second place" / "two")
    for place in places:
        install(packages, make_prefix(place), root)
    return places


def install(packages: tuple[LockedPackage, ...], prefix: Path, root: Path) -> None:
    """Install the wheels in `root/wheels`."""
    install_pip_packages(
        PipInstall(
            packages=packages,
            wheels={path.name: path for path in (root / "wheels").glob("*")},
            prefix=prefix,
            python=PYTHON,
            cache=root / "uv",
            environment={"PATH": os.defpath, "HOME": str(root)},
        ),
        root / "workplace",
    )


def payloads_of(prefix: Path) -> tuple[Payload, ...]:
    """The payloads of the two wheels."""
    wheels = prefix.parent if (prefix.parent / "wheels").exists() else prefix.parent.parent
    return pip_payloads(two_wheels(wheels / "again"), prefix, PYTHON)


def contents(payload: Payload) -> dict[str, bytes]:
    """Path → content."""
    return {
        item.path: item.source.read_bytes() for item in payload.files if item.source is not None
    }


def test_two_places_give_the_same_bytes(prefixes: tuple[Path, Path]) -> None:
    """Nothing of the place is in what pip packages put into a prefix.

    Neither do files stay in which installers note where a wheel came from.
    """
    one, two = (payloads_of(prefix) for prefix in prefixes)
    assert [contents(payload) for payload in one] == [contents(payload) for payload in two]
    names = {path.name for path in (prefixes[0] / SITE).glob("*.dist-info/*")}
    assert not {"direct_url.json", "uv_cache.json"} & names


def test_what_a_payload_owns(prefixes: tuple[Path, Path]) -> None:
    """Scripts, data files and metadata, wherever they lie; of bytecode nothing is recorded."""
    payloads = payloads_of(prefixes[0])
    assert [("loader", "1.0", "pip"), ("plain_thing", "1.0", "pip")] == [
        (payload.name, payload.version, payload.manager) for payload in payloads
    ]
    paths = {item.path for item in payloads[0].files}
    record = contents(payloads[0])[f"{SITE}/loader-1.0.dist-info/RECORD"]
    assert {"bin/load", "bin/helped", "share/loader/conf", f"{SITE}/loader.py"} <= paths
    assert (False, False) == (any(path.endswith(".pyc") for path in paths), b".pyc" in record)


def test_the_record_is_true(prefixes: tuple[Path, Path]) -> None:
    """RECORD has the digest and the size of every file as it lies there."""
    site = prefixes[0] / SITE
    with (site / "loader-1.0.dist-info/RECORD").open(newline="") as stream:
        rows = [row for row in csv.reader(stream) if row[1]]
    assert [(row[1], row[2]) for row in rows] == [
        _hash_and_size((site / row[0]).read_bytes()) for row in rows
    ]


def test_scripts_run_after_a_move(prefixes: tuple[Path, Path], tmp_path: Path) -> None:
    """A script finds the python beside itself, which is not activated; its docstring is shown."""
    moved = tmp_path / "moved here"
    subprocess.run(["cp", "-a", prefixes[1], moved], check=True)
    said = [
        subprocess.run(
            [moved / "bin" / name, "a b"], check=True, capture_output=True, env={"PATH": os.defpath}
        ).stdout
        for name in ("load", "helped")
    ]
    assert [b"loaded ['a b']\n", b"Help.\n"] == said


def test_a_distribution_of_conda_is_not_touched(tmp_path: Path) -> None:
    """Another distribution with the mark of uv stays as it is: it may lie in the package cache."""
    prefix = make_prefix(tmp_path / "prefix")
    info = prefix / SITE / "conda_thing-1.0.dist-info"
    info.mkdir()
    (info / "INSTALLER").write_text("uv")
    (info / "RECORD").write_text("b,,\na,,\n")
    install((wheel(tmp_path / "wheels", "plain", {"plain.py": ""}),), prefix, tmp_path)
    assert "b,,\na,,\n" == (info / "RECORD").read_text()


def test_an_sdist_is_refused(tmp_path: Path) -> None:
    """What would have to be built is refused before anything is installed."""
    path = tmp_path / "x-1.0.tar.gz"
    path.write_bytes(b"")
    with pytest.raises(LockError, match=r"x 1.0 is locked as x-1.0.tar.gz, not a wheel"):
        install((locked("x", path),), tmp_path, tmp_path)


def test_a_wrong_digest_is_refused(tmp_path: Path) -> None:
    """Uv refuses a wheel with other bytes than the lock promises."""
    package = wheel(tmp_path / "wheels", "plain", {"plain.py": ""})
    wheel(tmp_path / "wheels", "plain", {"plain.py": "changed"})
    with pytest.raises(EngineFailedError, match="uv could not install") as caught:
        install((package,), make_prefix(tmp_path / "prefix"), tmp_path)
    assert "Hash mismatch" in "\n".join(caught.value.details)


def put_distribution(prefix: Path, name: str, record: str) -> LockedPackage:
    """A distribution with this RECORD, and its lock entry."""
    info = prefix / SITE / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text(record)
    return wheel(prefix.parent / "made", name)


def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    """A locked package that is not there is an error."""
    with pytest.raises(EngineFailedError, match="gone is locked but not installed"):
        pip_payloads([wheel(tmp_path, "gone")], tmp_path / "prefix", PYTHON)


@pytest.mark.parametrize(
    ("recorded", "error", "message"),
    [
        ("../../../../etc/passwd", ArchiveError, "outside of the prefix"),
        ("/etc/passwd", ArchiveError, "outside of the prefix"),
        ("thing.py", PrefixChangedError, r"thing\.py cannot be read: No such file"),
    ],
)
def test_a_record_must_be_true(
    tmp_path: Path, recorded: str, error: type[Exception], message: str
) -> None:
    """A RECORD that names a path outside, or a file that was deleted, is refused."""
    package = put_distribution(tmp_path / "p", "thing", f"{recorded},,\n")
    with pytest.raises(error, match=message):
        pip_payloads([package], tmp_path / "p", PYTHON)


def test_a_distribution_without_record_is_refused(tmp_path: Path) -> None:
    """Without RECORD nobody knows what belongs to it."""
    package = put_distribution(tmp_path / "p", "thing", "")
    (tmp_path / "p" / SITE / "thing-1.0.dist-info/RECORD").unlink()
    with pytest.raises(EngineFailedError, match="has no RECORD"):
        pip_payloads([package], tmp_path / "p", PYTHON)


def test_a_contested_path(tmp_path: Path) -> None:
    """Two wheels may bring the same file; different ones have no well-defined outcome."""
    one = put_distribution(tmp_path / "p", "one", "t.py,sha256=a,1\n")
    (tmp_path / "p" / SITE / "t.py").write_text("1")
    same = put_distribution(tmp_path / "p", "same", "t.py,sha256=a,1\n")
    two = put_distribution(tmp_path / "p", "two", "t.py,sha256=b,1\n")
    assert [f"{SITE}/t.py"] * 2 == [
        item.path
        for payload in pip_payloads([one, same], tmp_path / "p", PYTHON)
        for item in payload.files
    ]
    with pytest.raises(PrefixError, match=rf"one and two both bring {SITE}/t\.py"):
        pip_payloads([one, two], tmp_path / "p", PYTHON)
