"""Files of the project as packages of an environment."""

from pathlib import Path

from lading.conda import Kind
from lading.lock import Lockfile, locked_files, read_files
from lading.package import Payload, PayloadFile
from lading.system import Digest

MANAGER = "project"


def project_payloads(lock: Lockfile, project: Path) -> tuple[Payload, ...]:
    """Read what files of the project put into an environment, sorted by name.

    Raises:
        SpecError: They are not those that were locked.
        LockError: The lock names them wrongly.
    """
    return tuple(
        Payload(
            name=item.name,
            version=item.sha256[:12],
            manager=MANAGER,
            sha256=Digest.sha256(item.sha256),
            files=tuple(
                PayloadFile(
                    path=file.path,
                    kind=Kind.LINK if file.sha256 is None else Kind.FILE,
                    place="" if file.sha256 is None else str(file.place),
                    target=file.target,
                    executable=file.executable,
                    sha256=file.sha256,
                    size=None if file.sha256 is None else file.size,
                )
                for file in sorted(read_files(item, project))
            ),
        )
        for item in locked_files(lock)
    )
