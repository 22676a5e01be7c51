"""The complete list of what a tarball or an environment holds."""

import os
from pathlib import Path

from lading.api.project import AnyPath, AnyProject, as_project
from lading.format import Contents, open_tarball, tarball_place
from lading.verify import read_prefix_contents


def read_listing(subject: AnyPath, *, project: AnyProject = ".") -> Contents:
    """The bill of `subject` with all file lists, checked against each other.

    Args:
        subject: Path or URL of a tarball, or path of an unpacked environment.
        project: The project, or its directory.

    Raises:
        UsageError: It is a URL that lading cannot read.
        InputError: There is no such tarball, or its bill is malformed.
        NotAPrefixError: The directory is not an unpacked environment.
        IntegrityError: It is damaged.
        FetchError: The server does not send it.
    """
    project = as_project(project)
    place = tarball_place(os.fspath(subject), project.path)
    if isinstance(place, Path) and place.is_dir():
        return read_prefix_contents(place, None)
    with open_tarball(place, environment=project.environment) as tarball:
        tarball.need_frames()
        return tarball.contents()
