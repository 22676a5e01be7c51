"""Files of the project that belong to an environment: read, digested, compared with the lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lading.errors import SpecError
from lading.lock.build_source import project_relative
from lading.lock.side_list import ProjectFiles, refusal_of_target
from lading.lock.source_tree import OwnTree, TreeFile, as_it_lies, digest_of, list_files, read_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRequest:
    """Files that the settings ask for.

    Attributes:
        source: File or directory, absolute.
        target: Where it is to lie in the environment; a file goes into one that ends in `/`.
    """

    source: Path
    target: str


def lock_files(
    requests: Sequence[FilesRequest], project: Path, own_tree: OwnTree = as_it_lies
) -> tuple[ProjectFiles, ...]:
    """Read what `requests` ask for, as a lock in the directory `project` has it; sorted by name."""
    found: dict[str, ProjectFiles] = {}
    for request in requests:
        item = _lock(request, project, own_tree)
        if item.name in found:
            raise SpecError(
                f"files are put at {item.target} twice: {found[item.name].source} and"
                f" {item.source}",
                hint="give them different targets",
            )
        found[item.name] = item
    return tuple(found[name] for name in sorted(found))


def _lock(request: FilesRequest, project: Path, own_tree: OwnTree) -> ProjectFiles:
    source = project_relative(request.source, project)
    target = request.target.rstrip("/")
    if request.target.endswith("/") and request.source.is_file():
        target = f"{target}/{request.source.name}"
    refusal = refusal_of_target(target)
    if source != "." and not source.startswith("./"):
        refusal = f"{request.source} lies outside of the project"
    if refusal:
        raise SpecError(
            f"files cannot be put from {source} to {request.target!r}: {refusal}",
            hint='write files = [{from = "models", to = "share/models"}]',
        )
    place = own_tree(request.source, list_files(request.source))
    digest = digest_of(read_tree(place, list_files(place)))
    return ProjectFiles(source=source, target=target, sha256=digest.hex)


def read_files(item: ProjectFiles, project: Path) -> tuple[TreeFile, ...]:
    """Read the files that a lock has; their paths are where they go, relative to the environment.

    Raises:
        SpecError: They are not those that were locked, or a link leads out of their directory.
    """
    source = project / item.source
    tree = read_tree(source, list_files(source))
    if digest_of(tree).hex != item.sha256:
        raise SpecError(
            f"the files in {item.source} changed since they were locked", hint="run `lading lock`"
        )
    if source.is_file():
        return (tree[0]._replace(path=item.target),)
    for file in tree:
        if file.target and not _stays_inside(file):
            raise SpecError(
                f"{item.source}/{file.path} is a link to {file.target}, out of its directory",
                hint="copy what it points to",
            )
    return tuple(file._replace(path=f"{item.target}/{file.path}") for file in tree)


def _stays_inside(file: TreeFile) -> bool:
    depth = 0
    for part in (*PurePosixPath(file.path).parent.parts, *PurePosixPath(file.target).parts):
        depth += -1 if part == ".." else 1
        if depth < 0 or part == "/":
            return False
    return True
