"""Where the examples are built for tests: a project of its own, driven by the real command."""

import hashlib
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lading.conda.names import native_platform
from simulators.command import Outcome, start

__all__ = ["EXAMPLES", "ExampleProject", "run", "run_check", "snapshot"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LIMIT_SECONDS = 600
CHANNEL = "https://demo.invalid/channel"

# What a machine needs to reach a package index at all.
NETWORK = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy")

SETTINGS = """\
[environments.data-service]
sources = ["data-service.yml"]

[environments.data-service-pip]
sources = ["data-service-pip.yml"]

[environments.no-python]
sources = ["no-python.yml"]

[mirrors]
"{canonical}" = ["{mirror}"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleProject:
    """A project that holds every example.

    Attributes:
        root: Its directory; caches, prefixes and tarballs lie below it.
        umask: Of every command.
        variables: Set for every command, in addition to the few that a test gives.
    """

    root: Path
    umask: int = 0o022
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, root: Path, channel: Path, *, umask: int = 0o022, **variables: str
    ) -> "ExampleProject":
        """A project at `root` that finds its packages in the directory `channel`."""
        root.mkdir(parents=True)
        settings = SETTINGS.format(canonical=CHANNEL, mirror=channel)
        (root / "lading.toml").write_text(settings, "utf-8")
        for name in ("data-service", "data-service-pip", "no-python"):
            source = EXAMPLES / name / "environment.yml"
            (root / f"{name}.yml").write_bytes(source.read_bytes())
        return cls(root=root, umask=umask, variables=variables)

    def lading(self, *arguments: object) -> Outcome:
        """What `lading` with `arguments` did in this project."""
        network = {name: os.environ[name] for name in NETWORK if name in os.environ}
        variables = {**network, **self.variables}
        with start(arguments, self.root, variables, lambda: _set_umask(self.umask)) as child:
            stdout, stderr = child.communicate(timeout=LIMIT_SECONDS)
        return Outcome(child.returncode, stdout, stderr)

    def done(self, *arguments: object) -> str:
        """The standard output of a command that must succeed."""
        outcome = self.lading(*arguments)
        assert outcome.code == 0, f"lading {arguments} in {self.root}: {outcome.stderr}"
        return outcome.stdout

    def lock(self, environment: str) -> Path:
        """The lockfile of an environment."""
        return self.root / "locks" / environment / f"{native_platform()}.conda-lock.yml"

    def prefix(self, environment: str) -> Path:
        """Where an environment is installed."""
        return self.root / "build" / environment / str(native_platform()) / "prefix"

    def tarball(self, environment: str) -> Path:
        """The tarball of an environment."""
        return self.root / "dist" / f"{environment}-{native_platform()}.tar.zst"

    def manifest(self, environment: str) -> Path:
        """The bill that lies beside that tarball."""
        return self.root / "dist" / f"{environment}-{native_platform()}.manifest.json"

    def digests(self, environment: str, directory: Path | None = None) -> dict[str, str]:
        """Name → SHA-256 of the files that packing wrote, to `dist/` or to `directory`."""
        paths = (directory or self.root / "dist").glob(f"{environment}-{native_platform()}.*")
        return {path.name: _sha256(path) for path in sorted(paths)}


def _set_umask(umask: int) -> None:
    os.umask(umask)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def run(
    *argv: object,
    directory: Path | None = None,
    preparation: Callable[[], None] | None = None,
    **variables: str,
) -> "subprocess.CompletedProcess[str]":
    """What a program did that knows nothing of this machine but where its shell is."""
    return subprocess.run(
        [str(item) for item in argv],
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", **variables},
        preexec_fn=preparation,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def run_check(example: str, prefix: Path) -> "subprocess.CompletedProcess[str]":
    """What the program of an example says of the environment at `prefix`."""
    [program] = (EXAMPLES / example).glob("check.*")
    interpreter = ["/bin/sh"] if program.suffix == ".sh" else [prefix / "bin/python"]
    return run(*interpreter, program, prefix)


def snapshot(prefix: Path) -> dict[str, str]:
    """Path → mode and SHA-256 of each file below `prefix`, and the target of each link."""
    result: dict[str, str] = {}
    for directory, names, files in os.walk(prefix):
        for name in (*names, *files):
            path = Path(directory, name)
            key = str(path.relative_to(prefix))
            if path.is_symlink():
                result[key] = f"link to {path.readlink()}"
            elif path.is_file():
                result[key] = f"{path.stat().st_mode & 0o7777:04o} {_sha256(path)}"
            else:
                result[key] = "directory"
    return result
