"""Compare a tarball, an unpacked environment or an installed one with its bill."""

import os
from pathlib import Path

from lading.api.project import AnyPath, AnyProject, as_project
from lading.errors import NotAPrefixError
from lading.format import Format, is_image, open_tarball, read_bill, read_image, tarball_place
from lading.install import read_install_record
from lading.system import Progress, no_progress
from lading.verify import (
    Report,
    read_prefix_contents,
    verify_image,
    verify_installed,
    verify_tarball,
    verify_unpacked,
)


def verify(
    subject: AnyPath,
    *,
    project: AnyProject = ".",
    manifest: str | None = None,
    quick: bool = False,
    workers: int | None = None,
    progress: Progress = no_progress,
) -> Report:
    """Compare `subject` with its bill; the report's `is_clean` is the answer.

    Args:
        subject: Path of a tarball, an image, an unpacked environment or an installed prefix; the
            URL of a tarball; or the name of an installed environment.
        project: The project, or its directory.
        manifest: Path of the bill, where it is not inside or beside.
        quick: Of a prefix, compare size, mode and time only.
        workers: How many files are read at once; None means one a processor.
        progress: Told of the files.

    Raises:
        InputError: There is no such file.
        NotAPrefixError: There is nothing to verify under this name.
        ManifestError: Its bill is missing or wrong.
        IntegrityError: The tarball cannot be read by its bill.
    """
    project = as_project(project)
    workers = workers or project.processors
    path = tarball_place(os.fspath(subject), project.path)
    bill = project.path(manifest) if manifest else None
    if isinstance(path, Path) and path.is_dir():
        return _verify_prefix(path, bill, workers, quick=quick, progress=progress)
    if isinstance(path, Path) and is_image(path):
        expected = read_bill(bill).digest.hex if bill else None
        return verify_image(read_image(path, expected), project.environment, progress)
    if isinstance(path, str) or path.exists() or _is_path(os.fspath(subject)):
        with open_tarball(
            path, manifest=bill, environment=project.environment, progress=progress
        ) as opened:
            return verify_tarball(opened, workers, progress)
    record = read_install_record(project.tree.build(os.fspath(subject), project.platform(None)))
    if record is None:
        raise NotAPrefixError(
            f"there is no {subject}: no tarball, no prefix, no installed environment",
            hint="name a path, or install the environment first",
        )
    place = Path(record.prefix)
    return verify_installed(place, record, workers=workers, quick=quick, progress=progress)


def _is_path(subject: str) -> bool:
    """Whether the user means a file by it, and not an environment."""
    return os.sep in subject or subject.endswith(tuple(f".{item}" for item in Format))


def _verify_prefix(
    path: Path, manifest: Path | None, workers: int, *, quick: bool, progress: Progress
) -> Report:
    # One generation is looked at, even if the name is switched to another one meanwhile.
    path = path.resolve() if path.is_symlink() else path
    # Elsewhere an `install.json` may be anybody's.
    record = read_install_record(path.parent) if path.name == "prefix" else None
    if manifest is None and record is not None and record.prefix == str(path):
        return verify_installed(path, record, workers=workers, quick=quick, progress=progress)
    contents = read_prefix_contents(path, manifest)
    return verify_unpacked(path, contents, workers=workers, quick=quick, progress=progress)
