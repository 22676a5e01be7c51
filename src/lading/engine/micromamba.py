"""The micromamba engine: the executable, as a subprocess.

Each call runs in a scrubbed environment with its own home, root prefix and package cache, without
rc files. Solving is a dry run whose JSON is read; installing is from an explicit file, so that no
solver is involved. `micromamba_output` reads what it prints.

Workarounds:

- It runs link scripts and has no option against it; it looks for `bash` on PATH to run them.
  So PATH begins with a `bash` that does nothing.
- It adds pip to python unasked: 2.5 and earlier to the package, later ones to the request.
- It cannot prefer records. All of them are pinned first. If that has no solution, it is asked to
  update a prefix that seems to hold them, which changes as little as possible; and if that fails
  too (a pinned archive is gone), nothing is pinned.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lading.conda import MatchSpecText, Platform, RepodataRecord
from lading.engine.closure import check_closure, needed_records
from lading.engine.errors import (
    BrokenRecordError,
    clean_lines,
    install_error,
    not_by_micromamba,
    unread_channel,
)
from lading.engine.location import Sources, located_spec, refuse_absent
from lading.engine.micromamba_executable import Runner, read_version
from lading.engine.micromamba_output import NOISE, changed_names, read_records, solve_failure
from lading.engine.micromamba_repodata import (
    check_records,
    check_repodata,
    repodata_documents,
    shard_indices,
)
from lading.engine.micromamba_request import (
    overrides,
    pin,
    prefix_record,
    refuse_bearers,
    refuse_fields,
    spelled,
)
from lading.engine.newer_repodata import (
    ShardIndex,
    refuse_newer_records,
    refuse_newer_shards,
    refuse_relative_bases,
)
from lading.engine.progress import watched
from lading.engine.protocol import InstallRequest, Offers, SolveRequest
from lading.errors import EngineFailedError, FetchError, SolveError
from lading.system import (
    Completed,
    Run,
    has_credentials,
    is_temporary_of,
    remove_stale_temporaries,
    run,
    scrubbed_environment,
    temporary_directory,
    without_credentials,
)

# With --json alone it does not report failing servers.
_AS_JSON = ("--json", "--log-level", "warning")

_NO_SHELL = (
    "#!/bin/sh\n# Link scripts do not run: they would be code of the build machine.\nexit 0\n"
)

_log = logging.getLogger(__name__)


class MicromambaEngine:
    """The `Engine` that drives a micromamba executable."""

    def __init__(
        self,
        executable: Path,
        version: str,
        state_directory: Path,
        inherited_environment: Mapping[str, str],
        *,
        runner: Runner = run,
    ) -> None:
        """An engine around `executable`, whose `version` was read by `read_version`.

        `state_directory` is absolute and private to the build; of `inherited_environment`, which is
        the caller's, proxies and certificates are taken.
        """
        self._executable = executable
        self._version = version
        self._state = state_directory
        self._inherited = inherited_environment
        self._runner = runner

    @classmethod
    def start(
        cls,
        executable: Path,
        state_directory: Path,
        inherited_environment: Mapping[str, str],
        *,
        runner: Runner = run,
    ) -> "MicromambaEngine":
        """Read the version of `executable`, and make an engine around it.

        Raises:
            EngineNotFoundError: It cannot be run.
            EngineError: It is not micromamba, or a version that is known to be broken.
        """
        version = read_version(executable, inherited_environment, runner)
        return cls(executable, version, state_directory, inherited_environment, runner=runner)

    @property
    def name(self) -> str:
        """`micromamba`."""
        return "micromamba"

    @property
    def version(self) -> str:
        """The version of the executable."""
        return self._version

    def solve(self, request: SolveRequest) -> tuple[RepodataRecord, ...]:
        """The records that satisfy the request, see `Engine.solve`.

        Raises:
            EngineError: The request has `exclude_newer`, extras, flags or conditions, or a channel
                needs a bearer token or has packages in repodata v3; micromamba reads none of these.
        """
        if request.exclude_newer is not None:
            raise not_by_micromamba("micromamba cannot exclude packages by date")
        refuse_fields(request)
        refuse_absent(request.channels, request.mirrors)
        failures: list[str] = []
        for sources in _attempts(request):
            refuse_bearers(sources, request.mirrors)
            try:
                records = self._solve_from(request, sources)
            except BrokenRecordError:
                raise
            except FetchError as error:
                failures += error.details
                continue
            check_closure(records, request.specs, request.virtual_packages)
            return records
        names = ", ".join(without_credentials(channel) for channel in request.channels)
        raise unread_channel(tuple(failures), f"a channel of {names} could not be read")

    def look_up(
        self, request: SolveRequest, names: Sequence[str], platforms: Sequence[Platform]
    ) -> Offers:
        """What the channels offer, see `Engine.look_up`.

        micromamba prints it only for people, and one package at a time; so rattler is asked.
        """
        from lading.engine.embedded import EmbeddedEngine  # noqa: PLC0415  # slow to load

        return EmbeddedEngine(self._state / "look-up").look_up(request, names, platforms)

    def place_of_extracted(self, record: RepodataRecord, package_cache: Path) -> None:
        """None: it takes only what it extracted itself; see `Engine.place_of_extracted`."""

    def install(self, request: InstallRequest) -> None:
        """Fill `request.prefix`, see `Engine.install`."""
        request.package_cache.mkdir(parents=True, exist_ok=True)
        lines = ["@EXPLICIT"]
        for record in request.records:
            archive = request.archives[record.distribution]
            if record.sha256 is None:
                raise EngineFailedError(f"{record.distribution} has no sha256 to check")
            lines.append(f"{archive.as_uri()}#sha256:{record.sha256.hex}")
        with self._workplace() as workplace:
            explicit = workplace / "explicit.txt"
            explicit.write_text("\n".join(lines) + "\n", encoding="utf-8")
            with watched(request):
                answer = self._call(
                    ["create", "--yes", "--quiet", "--no-pyc", "--file", str(explicit)],
                    ["--prefix", str(request.prefix), "--platform", request.platform.value],
                    {
                        "CONDA_PKGS_DIRS": str(request.package_cache),
                        "PATH": self._path_without_shell(),
                    },
                )
        if answer.returncode != 0:
            raise install_error(clean_lines(answer.stderr or answer.stdout, NOISE))
        # Written because of --platform; a prefix record does not list it.
        (request.prefix / ".mambarc").unlink(missing_ok=True)

    def _solve_from(self, request: SolveRequest, sources: Sources) -> tuple[RepodataRecord, ...]:
        """Solve with the channels at `sources`; keep as many locked records as possible."""
        if request.locked:
            pinned = self._dry_run_pinned(request, sources, request.locked)
            if pinned is None:
                _log.info("%s: not all locked versions can be kept", request.platform)
                moved = self._update(request, sources)
                pinned = self._dry_run_pinned(request, sources, moved) if moved else None
            if pinned is not None:
                return needed_records(pinned, request.specs)
            _log.warning("%s: no locked version can be kept", request.platform)
        return self._dry_run(request, sources, ())

    def _dry_run_pinned(
        self, request: SolveRequest, sources: Sources, pins: Iterable[RepodataRecord]
    ) -> tuple[RepodataRecord, ...] | None:
        """The solution that contains all of `pins`, or None if there is none."""
        try:
            return self._dry_run(request, sources, [pin(record) for record in pins])
        except SolveError:
            return None

    def _dry_run(
        self, request: SolveRequest, sources: Sources, pins: Sequence[MatchSpecText]
    ) -> tuple[RepodataRecord, ...]:
        """Solve without a prefix."""
        with self._workplace() as workplace:
            ask = ["create", "--prefix", str(workplace / "none")]
            answer = self._ask(request, sources, [*ask, *_AS_JSON], pins)
            if answer.returncode == 0:
                return read_records(answer, sources)
            if answer.stdout.strip() and not pins:
                # The explanation is printed only without --json.
                answer = self._ask(request, sources, ask, pins)
        raise solve_failure(answer)

    def _update(self, request: SolveRequest, sources: Sources) -> tuple[RepodataRecord, ...]:
        """The locked records after the smallest update that satisfies the request, or none."""
        with self._workplace() as workplace:
            metadata = workplace / "conda-meta"
            metadata.mkdir()
            (metadata / "history").touch()
            for record in request.locked:
                path = metadata / f"{record.distribution}.json"
                path.write_text(json.dumps(prefix_record(record)), encoding="utf-8")
            ask = ["install", "--prefix", str(workplace), *_AS_JSON]
            answer = self._ask(request, sources, ask, ())
            if answer.returncode != 0:
                return ()
            gone = changed_names(answer)
            kept = [record for record in request.locked if record.name not in gone]
            return (*kept, *read_records(answer, sources))

    def _ask(
        self,
        request: SolveRequest,
        sources: Sources,
        ask: Sequence[str],
        pins: Sequence[MatchSpecText],
    ) -> Completed:
        """Run a dry run; return the answer."""
        # Every user of a machine can read the arguments of a process, only its own the variables.
        channels = ",".join(location.replace(",", "%2C") for location in sources.values())
        plain = {channel: without_credentials(location) for channel, location in sources.items()}
        specs = [located_spec(spelled(text), plain) for text in (*sorted(request.specs), *pins)]
        priority = "strict" if request.strict_priority else "disabled"
        with ExitStack() as stack:
            # One per platform: platforms are solved in parallel, and the cache has a lock.
            cache = self._state / "solve" / request.platform.value
            if any(has_credentials(location) for location in sources.values()):
                # micromamba writes the URLs beside the repodata it keeps.
                cache = stack.enter_context(self._workplace()) / "pkgs"
            answer = self._call(
                [*ask, "--dry-run", "--yes", "--channel-priority", priority],
                ["--platform", request.platform.value, *specs],
                {**overrides(request), "CONDA_CHANNELS": channels, "CONDA_PKGS_DIRS": str(cache)},
                request.timeout,
            )
            check_repodata(cache, sources, request.platform, answer)
            documents = repodata_documents(cache, sources, request.platform)
            if answer.returncode == 0:
                records = read_records(answer, sources)
                names = {record.name for record in records}
                refuse_newer_records(documents, names)
                refuse_newer_shards(self._shards(cache, sources, request.platform), names)
                refuse_relative_bases(documents, records)
                check_records(cache, sources, request.platform, records)
            elif not pins:
                refuse_newer_records(documents, None)
                refuse_newer_shards(self._shards(cache, sources, request.platform), None)
            return answer

    def _shards(self, cache: Path, sources: Sources, platform: Platform) -> tuple[ShardIndex, ...]:
        """The indices of shards that were read."""
        shards = self._state / "home/.cache/conda/pkgs/cache/shards"
        return tuple(
            ShardIndex(path=path, shards=shards) for path in shard_indices(cache, sources, platform)
        )

    def _call(
        self,
        command: Sequence[str],
        arguments: Sequence[str],
        extra: Mapping[str, str],
        timeout: float | None = None,
    ) -> Completed:
        home = self._state / "home"
        home.mkdir(parents=True, exist_ok=True)
        root = {
            "MAMBA_ROOT_PREFIX": str(self._state / "root"),
            # Up to 2.5 pip is added to python, and the engines would disagree.
            "MAMBA_ADD_PIP_AS_PYTHON_DEPENDENCY": "false",
            # It extracts in child processes without --no-rc, which would read /etc/conda.
            "MAMBA_NO_RC": "true",
        }
        return self._runner(
            Run(
                argv=(str(self._executable), command[0], "--no-rc", *command[1:], *arguments),
                environment=scrubbed_environment(self._inherited, home, {**root, **extra}),
                directory=home,
                timeout=timeout,
            )
        )

    def _path_without_shell(self) -> str:
        """A PATH whose first `bash`, which micromamba runs link scripts with, does nothing."""
        shell = self._state / "no-shell" / "bash"
        shell.parent.mkdir(parents=True, exist_ok=True)
        shell.write_text(_NO_SHELL, encoding="utf-8")
        shell.chmod(0o755)
        return f"{shell.parent}:{self._inherited.get('PATH', '')}"

    @contextmanager
    def _workplace(self) -> Iterator[Path]:
        """A directory of this call, removed afterwards."""
        self._state.mkdir(parents=True, exist_ok=True)
        # A killed run may have left repodata with secret URLs.
        remove_stale_temporaries(self._state, is_temporary_of("call"))
        with temporary_directory(self._state, "call") as directory:
            yield directory


def _attempts(request: SolveRequest) -> Iterator[Sources]:
    """The locations to try: the first of each channel, then the second of each, and so on."""
    locations = {channel: request.mirrors.locations(channel) for channel in request.channels}
    for number in range(max((len(found) for found in locations.values()), default=0)):
        yield {channel: found[min(number, len(found) - 1)] for channel, found in locations.items()}
