"""The files that packing writes: an artifact, its bill, their checksums; complete or not there."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lading.errors import OutputError
from lading.format import CHECKSUMS_SUFFIX, MANIFEST_SUFFIX, beside
from lading.system import (
    Digest,
    is_temporary_of,
    remove_stale_temporaries,
    sha256_of,
    temporary_directory,
    temporary_file,
    write_atomically,
)


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where the files will lie.

    Attributes:
        tarball: The artifact; it may also be an image or an installer.
    """

    tarball: Path

    @property
    def manifest(self) -> Path:
        """The bill."""
        return beside(self.tarball, MANIFEST_SUFFIX)

    @property
    def checksums(self) -> Path:
        """The digests of the other two."""
        return beside(self.tarball, CHECKSUMS_SUFFIX)

    @contextmanager
    def staged(self) -> Iterator["Staging"]:
        """Temporaries beside the files, which are removed at the end.

        Raises:
            OutputError: They cannot be written.
        """
        directory, name = self.tarball.parent, self.tarball.name
        names = (name, self.manifest.name, self.checksums.name)
        with output_errors(self.tarball):
            directory.mkdir(parents=True, exist_ok=True)
            remove_stale_temporaries(directory, is_temporary_of(*names))
            with (
                temporary_directory(directory, name) as spool,
                temporary_file(directory, name) as (temporary, stream),
            ):
                yield Staging(outputs=self, spool=spool, temporary=temporary, stream=stream)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """Where an artifact is written until it is complete.

    Attributes:
        outputs: What it will be.
        spool: A directory for what is needed beside it.
        temporary: The artifact so far.
        stream: Open for writing and reading at its begin.
    """

    outputs: Outputs
    spool: Path
    temporary: Path
    stream: IO[bytes]

    def publish(self, digest: Digest, document: bytes, mode: int = 0o644) -> None:
        """Rename everything to its final name, the checksums last.

        Two packs at once take turns here, so that the three files belong together.

        Args:
            digest: Of the artifact, which is complete and on disk.
            document: The bill.
            mode: Of the artifact.
        """
        artifact, manifest = self.outputs.tarball, self.outputs.manifest
        lines = f"{digest.hex}  {artifact.name}\n{sha256_of(document).hex}  {manifest.name}\n"
        self.temporary.chmod(mode)
        with _exclusive(artifact.parent):
            self.outputs.checksums.unlink(missing_ok=True)
            self.temporary.replace(artifact)
            write_atomically(manifest, document, sync=True)
            write_atomically(self.outputs.checksums, lines.encode(), sync=True)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an error of the disk into one that says what to do."""
    try:
        yield
    except FileExistsError as error:
        raise OutputError(
            f"cannot write {path}: {path.parent} is not a directory", hint="name a directory"
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            hint="free space there, or choose another directory with --output",
        ) from error
    except MemoryError as error:
        raise OutputError(
            f"cannot write {path}: too little memory", hint="pack with fewer --workers"
        ) from error


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Let one process at a time in; the directory itself is locked, so no file is left behind."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
