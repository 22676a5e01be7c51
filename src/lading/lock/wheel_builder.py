"""Wheels that are built when locking: from source trees of the project, and from sdists.

1. A wheel is built from a copy of exactly the files whose digest the lock has.
2. What it is built with is resolved first, and locked with digests; the build is isolated.
3. It is built twice, in two places, with the clock at 1980; if the bytes differ, that is said.
4. It is kept below `.lading/wheels` by its digest. Where it is missing it is built again, and is
   accepted only with the digest of the lock.

Source: uv's `build` and `pip compile`; PEP 517 and 518; reproducible-builds.org, SOURCE_DATE_EPOCH.
"""

import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from sys import executable
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from uv import find_uv_bin

from lading.conda import MirrorMap
from lading.errors import DigestMismatchError, EngineFailedError, FetchError, LadingError
from lading.lock.build_source import EPOCH, BuildSource
from lading.lock.side_list import Built
from lading.net import Download, Network, fetch_all
from lading.system import (
    Digest,
    Run,
    redact,
    run,
    scrubbed_environment,
    sha256_of_file,
    temporary_directory,
)

UV_BUILD = "uv-build"
"""The backend that is part of uv itself, so that it need not be fetched."""

BUILD_HINT = "correct the sources, or name the index that has what the build requires"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """A wheel that was built, and how.

    Attributes:
        path: Where it is kept, absolute.
    """

    path: Path
    sha256: Digest
    built: Built

    @property
    def is_kept(self) -> bool:
        """Whether it lies there still."""
        return self.path.is_file() and sha256_of_file(self.path) == self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelBuilder:
    """Builds wheels with uv.

    Attributes:
        store: Directory where wheels are kept by digest, absolute.
        state: Directory for the home and the cache of uv, absolute.
        inherited: Variables of the caller, which may name proxies and certificates.
        indexes: Further variables for uv that name package indexes, with credentials.
    """

    store: Path
    state: Path
    inherited: Mapping[str, str] = field(repr=False)
    indexes: Mapping[str, str] = field(default_factory=dict, repr=False)
    mirrors: MirrorMap = field(default_factory=MirrorMap)
    offline: bool = False

    def sdist(self, name: NormalizedName, url: str, sha256: Digest) -> BuildSource:
        """Fetch a source distribution.

        Raises:
            FetchError: It cannot be fetched.
            DigestMismatchError: It has other bytes.
        """
        target = self.state / "sdists" / sha256.hex / unquote(urlsplit(url).path.rpartition("/")[2])
        network = Network(environment=self.inherited, offline=self.offline)
        item = Download(url=url, digest=sha256, target=target)
        fetch_all([item], self.mirrors, network=network)
        return BuildSource(name=name, path=target, said=url, sha256=sha256)

    def place(self, file_name: str, sha256: Digest) -> Path:
        """Where a wheel is kept."""
        return self.store / sha256.hex / file_name

    def build(self, source: BuildSource, before: BuiltWheel | None = None) -> BuiltWheel:
        """Build a wheel twice, and keep it.

        With the same sources, `before`, the last wheel of it, stays; if that is gone, the wheel is
        built with the same requirements.

        Raises:
            EngineFailedError: The build fails, or its requirements cannot be resolved.
        """
        is_same = before is not None and before.built.is_of(source.said, source.sha256)
        if before is not None and is_same and before.is_kept:
            return before
        requires = before.built.requires if before is not None and is_same else ()
        self.store.mkdir(parents=True, exist_ok=True)
        with temporary_directory(self.store, "build") as workplace:
            requires = requires or self._resolved(source, workplace)
            first, second = (
                self._run_build(source, requires, workplace / name) for name in ("1", "other/2")
            )
            difference = _difference(first, second)
            if difference:
                _log.warning(
                    "%s is not built the same twice: %s differs; where its wheel is missing, it"
                    " cannot be built again with the digest that is locked",
                    source.name,
                    difference,
                )
            sha256 = sha256_of_file(first)
            built = Built(
                source=source.said,
                sha256=source.sha256.hex,
                requires=requires,
                is_stable=not difference,
            )
            return BuiltWheel(path=self._keep(first, sha256), sha256=sha256, built=built)

    def rebuild(self, source: BuildSource, wanted: BuiltWheel) -> Path:
        """Build again the wheel of a lock that is not kept on this machine.

        Raises:
            DigestMismatchError: It has other bytes.
            EngineFailedError: The build failed, or a package that it requires was not found.
        """
        self.store.mkdir(parents=True, exist_ok=True)
        with temporary_directory(self.store, "build") as workplace:
            wheel = self._run_build(source, wanted.built.requires, workplace / "1")
            sha256 = sha256_of_file(wheel)
            if sha256 != wanted.sha256 or wheel.name != wanted.path.name:
                raise DigestMismatchError(
                    f"{source.name} is built here with other bytes than when it was locked",
                    hint="carry .lading/wheels along with the lock, or lock again",
                    expected=str(wanted.sha256),
                    actual=str(sha256),
                )
            return self._keep(wheel, sha256)

    def _keep(self, wheel: Path, sha256: Digest) -> Path:
        target = self.place(wheel.name, sha256)
        target.parent.mkdir(exist_ok=True)
        wheel.chmod(0o644)
        return wheel.replace(target)

    def _resolved(self, source: BuildSource, workplace: Path) -> tuple[str, ...]:
        """Resolve what a build requires: `name==version --hash=...`, sorted."""
        asked = source.requires
        if _is_uv_alone(asked):
            return (f"{UV_BUILD}=={version('uv')}",)
        if not asked:
            return ()
        requirements, resolved = workplace / "build-requires.in", workplace / "build-requires.txt"
        requirements.write_text("".join(f"{line}\n" for line in asked), "utf-8")
        words = ("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes")
        output = ("--output-file", str(resolved), str(requirements))
        what = f"{source.name} ({source.said}): what it is built with cannot be had"
        self._uv((*words, *output), what, BUILD_HINT)
        joined = resolved.read_text("utf-8").replace("\\\n", " ")
        return tuple(sorted(" ".join(line.split()) for line in joined.splitlines() if line.strip()))

    def _run_build(self, source: BuildSource, requires: Sequence[str], workplace: Path) -> Path:
        """Build once; return the wheel."""
        workplace.mkdir(parents=True)
        constraints, output = workplace / "constraints.txt", workplace / "dist"
        constraints.write_text("".join(f"{line}\n" for line in requires), "utf-8")
        words = ("build", "--quiet", "--wheel", "--out-dir", str(output))
        options = ("--no-create-gitignore", "--build-constraints", str(constraints))
        place = str(source.put(workplace / "source"))
        what = f"{source.name} ({source.said}): it cannot be built"
        self._uv((*words, *options, place), what, BUILD_HINT)
        wheels = sorted(output.glob("*.whl"))
        if len(wheels) != 1 or canonicalize_name(wheels[0].name.partition("-")[0]) != source.name:
            raise EngineFailedError(
                f"{source.said} does not build a wheel of {source.name}",
                hint="correct its name in the sources",
                details=tuple(wheel.name for wheel in wheels),
            )
        return wheels[0]

    def find_wheels(self, requirements: Sequence[str], python: str) -> bytes:
        """Ask the indexes for the wheels of `requirements`, each `NAME==VERSION`.

        Args:
            requirements: Also options of pip; what they need is not looked for.
            python: The version of python.

        Returns:
            A `pylock.toml` with the wheels for every platform.

        Raises:
            FetchError: An index cannot be read, or has no wheel.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        with temporary_directory(self.state, "wheels") as workplace:
            asked, answer = workplace / "requirements.in", workplace / "pylock.toml"
            asked.write_text("".join(f"{line}\n" for line in requirements), "utf-8")
            words = ("pip", "compile", "--quiet", "--no-header", "--no-deps", "--universal")
            options = ("--only-binary", ":all:", "--python-version", python)
            output = ("--format", "pylock.toml", "--output-file", str(answer), str(asked))
            what, hint = "the wheels cannot be had from the index", "name the index that has them"
            self._uv((*words, *options, *output), what, hint, FetchError)
            return answer.read_bytes()

    def _uv(
        self,
        words: Sequence[str],
        failure: str,
        hint: str,
        kind: type[LadingError] = EngineFailedError,
    ) -> None:
        home = self.state / "home"
        home.mkdir(parents=True, exist_ok=True)
        more = {"SOURCE_DATE_EPOCH": str(EPOCH), "PYTHONHASHSEED": "0", **self.indexes}
        offline = ("--offline",) if self.offline else ()
        common = ("--no-config", "--no-progress", "--cache-dir", str(self.state / "uv"))
        completed = run(
            Run(
                argv=(find_uv_bin(), *words, *common, *offline, "--python", executable),
                environment=scrubbed_environment(self.inherited, home, more),
                directory=home,
            )
        )
        if completed.returncode != 0:
            details = tuple(redact(line) for line in completed.last_lines())
            raise kind(failure, hint=hint, details=details)


def _is_uv_alone(requires: Sequence[str]) -> bool:
    """Whether the running uv builds it by itself."""
    try:
        asked = [Requirement(line) for line in requires]
    except InvalidRequirement:
        return False
    return len(asked) == 1 and (
        canonicalize_name(asked[0].name) == UV_BUILD
        and asked[0].specifier.contains(version("uv"), prereleases=True)
    )


def _difference(first: Path, second: Path) -> str:
    """The first member in which two wheels differ; empty where they are the same bytes."""
    if first.name != second.name:
        return f"its name ({first.name}, {second.name})"
    if first.read_bytes() == second.read_bytes():
        return ""
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as other:
        names, others = one.namelist(), other.namelist()
        for name in sorted({*names, *others}):
            if name not in names or name not in others:
                return name
            if one.read(name) != other.read(name) and not name.endswith("/RECORD"):
                return name
    return "the order, times or modes of its members"
