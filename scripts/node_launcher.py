"""Start lading from one file, `lading-node.pyz`, of which this is the first module to run.

Compiled modules cannot be imported from a zip file: those for this python are extracted into the
user's cache, once. Pythons since 3.6 can read this, so that an old one is told what is missing.
"""

import atexit
import os
import platform
import shutil
import stat
import sys
import tempfile
import zipfile
from pathlib import Path

COMPILED = "compiled/"


def main() -> None:
    """Run lading, or say what is missing."""
    version = "{}.{}".format(*sys.version_info)
    with zipfile.ZipFile(str(Path(__file__).parent)) as archive:
        served = {name.split("/")[1] for name in archive.namelist() if name.startswith(COMPILED)}
        if version not in served or platform.libc_ver()[0] != "glibc":
            sys.stderr.write(
                f"error: lading does not run here: Python {version} on {platform.platform()}\n"
                f"hint: it takes Linux with glibc and Python {' or '.join(sorted(served))}\n"
            )
            sys.exit(2)
        digest = archive.read("DIGEST").decode()
        sys.path.insert(0, str(_extracted(archive, f"{COMPILED}{version}/", digest)))
    # Its modules can be imported only now.
    from lading.cli.app import main as run  # noqa: PLC0415

    run()


def _extracted(archive: zipfile.ZipFile, beginning: str, digest: str) -> Path:
    """Extract the compiled modules, unless that was done before; return their directory."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parent = cache / "lading/node"
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(parent):
            raise PermissionError(str(parent))
        target = parent / f"{digest}-{beginning.split('/')[1]}"
        if not target.is_dir():
            temporary = _extract(archive, beginning, str(parent))
            try:
                temporary.rename(target)
            except OSError:
                # Another process was faster, and its modules are the same.
                shutil.rmtree(str(temporary), ignore_errors=True)
    except OSError:
        # There is no home, it cannot be written, or others may write there: for this run only.
        target = _extract(archive, beginning, None)
        atexit.register(shutil.rmtree, str(target), ignore_errors=True)
    return target


def _is_private(directory: Path) -> bool:
    """Whether nobody else may have put modules there."""
    status = directory.lstat()
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return is_ours and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _extract(archive: zipfile.ZipFile, beginning: str, parent: "str | None") -> Path:
    """Extract the members of that beginning into a new directory, without it; return that."""
    target = Path(tempfile.mkdtemp(prefix="extracted-", dir=parent))
    for name in archive.namelist():
        if name.startswith(beginning):
            path = target / name[len(beginning) :]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))
    return target


if __name__ == "__main__":
    main()
