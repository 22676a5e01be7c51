"""The complete list of what a tarball or an environment holds."""

import os
from pathlib import Path

from lading.api.project import Project, open_project
from lading.format import Contents, is_remote, open_tarball
from lading.verify import read_prefix_contents


def read_listing(
    subject: str | os.PathLike[str], *, project: Project | str | os.PathLike[str] = "."
) -> Contents:
    """The bill of `subject` with all file lists, checked against each other.

    Args:
        subject: Path or URL of a tarball, or path of an unpacked environment.
        project: The project, or its directory.

    Raises:
        InputError: There is no such tarball, or its bill is malformed.
        NotAPrefixError: The directory is not an unpacked environment.
        IntegrityError: It is damaged.
        FetchError: The server does not send it.
    """
    project = project if isinstance(project, Project) else open_project(project)
    text = os.fspath(subject)
    if is_remote(text):
        place: str | Path = text
    else:
        place = project.path(text)
        if place.is_dir():
            return read_prefix_contents(place, None)
    with open_tarball(place, environment=project.environment) as tarball:
        tarball.need_frames()
        return tarball.contents()
