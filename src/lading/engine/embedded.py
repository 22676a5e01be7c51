"""The embedded engine: py-rattler, in this process; the only module that imports it.

It reads no configuration file, no credential store and no cache of the user: repodata is kept in
the state directory alone. An engine sees one state of each channel, that of its first request, so
platforms solved together see the same `noarch`.

py-rattler is asynchronous and native code; `event_loop` says what that demands.
"""

import datetime as dt
import json
import logging
import shutil
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import rattler
import rattler.exceptions as native
from rattler.install import InstallerReporter
from rattler.networking.middleware import AddHeadersMiddleware, OciMiddleware, RetryMiddleware
from rattler.package import BuildString as NativeBuildString

from lading.conda import (
    BuildString,
    ChannelUrl,
    MatchSpecText,
    PackageName,
    Platform,
    RepodataRecord,
)
from lading.engine.broken_records import repaired_channels
from lading.engine.closure import check_closure
from lading.engine.conditional import SolvedRecord, decide
from lading.engine.errors import (
    BLAME_HINT,
    BrokenRecordError,
    clean_lines,
    install_error,
    solve_error,
)
from lading.engine.event_loop import run_coroutine
from lading.engine.location import BearerTokens, Sources, canonical_url, located_spec
from lading.engine.protocol import LINKING, InstallRequest, SolveRequest
from lading.errors import (
    EngineFailedError,
    FetchError,
    LadingError,
    SpecError,
)
from lading.system import (
    Digest,
    Progress,
    has_credentials,
    is_temporary_of,
    remove_stale_temporaries,
    temporary_directory,
    without_credentials,
)

RETRIES = 2
PATIENCE_SECONDS = 300
PYTHON = "python"
PANICS = {"PanicException", "RustPanic"}  # defects of rattler; they cannot be imported
NOBODY = "lading-asks-for-nobody"
# How rattler's message begins where a record cannot be read.
BROKEN_RECORD = "failed to extract repodata records"

_log = logging.getLogger(__name__)

# They have no common root.
_NATIVE_ERRORS = tuple(
    kind
    for kind in vars(native).values()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
)


class EmbeddedEngine:
    """The `Engine` that needs nothing installed besides lading."""

    def __init__(self, state_directory: Path) -> None:
        """An engine that keeps repodata below `state_directory`, absolute and private."""
        self._state = state_directory
        self._lock = threading.Lock()
        self._gateways: dict[bool, tuple[rattler.Gateway, Path]] = {}
        self._bearers = BearerTokens()

    @property
    def name(self) -> str:
        """`embedded`."""
        return "embedded"

    @property
    def version(self) -> str:
        """The version of py-rattler."""
        return version("py-rattler")

    def solve(self, request: SolveRequest) -> tuple[RepodataRecord, ...]:
        """The records that satisfy the request, see `Engine.solve`."""
        locations = [
            location
            for channel in request.channels
            for location in request.mirrors.locations(channel)
        ]
        self._bearers.learn(locations, request.mirrors)
        gateway = self._open_gateway(
            is_secret=any(has_credentials(location) for location in locations),
            timeout=request.timeout,
        )
        sources = {
            channel: _first_answering(gateway, channel, request) for channel in request.channels
        }
        try:
            return _solution(gateway, sources, request)
        except BrokenRecordError as error:
            caches = [directory for _, directory in tuple(self._gateways.values())]
            with repaired_channels(sources, request.platform, caches, error) as repaired:
                gateway = rattler.Gateway(cache_dir=repaired.directory, client=rattler.Client())
                with repaired.blamed():
                    return _solution(gateway, repaired.sources, request)

    def install(self, request: InstallRequest) -> None:
        """Fill `request.prefix`, see `Engine.install`."""
        request.package_cache.mkdir(parents=True, exist_ok=True)

        async def install() -> None:
            await rattler.install(
                [await _native_record(record, request.archives) for record in request.records],
                request.prefix,
                cache_dir=request.package_cache,
                installed_packages=[],
                platform=rattler.Subdir(request.platform.value),
                execute_link_scripts=False,
                show_progress=False,
                client=rattler.Client(),
                # The bodies that it does not override are empty on purpose.
                reporter=_Reporter(request.progress),  # type: ignore[abstract]
            )

        with _translated():
            run_coroutine(install)
        # rattler marks a prefix as a cache, which backup programs would skip.
        (request.prefix / "CACHEDIR.TAG").unlink(missing_ok=True)
        # rattler moves clobbered files there, and sometimes leaves empty directories behind.
        shutil.rmtree(request.prefix / "__clobbers__", ignore_errors=True)

    def _open_gateway(self, *, is_secret: bool, timeout: float | None) -> rattler.Gateway:
        """The gateway for channels with credentials in their URLs, or for those without.

        Args:
            is_secret: Which of the two.
            timeout: Seconds that one download of repodata may take, or None for the usual.
        """
        with self._lock:
            if is_secret not in self._gateways:
                # No AuthenticationMiddleware: it reads the credentials of the caller's home.
                with _translated():
                    client = rattler.Client(
                        [
                            RetryMiddleware(RETRIES),
                            OciMiddleware(),
                            AddHeadersMiddleware(self._bearers.headers),
                        ],
                        timeout=max(1, int(timeout or PATIENCE_SECONDS)),
                    )
                cache = self._cache_directory(is_secret=is_secret)
                gateway = rattler.Gateway(cache_dir=cache, client=client)
                self._gateways[is_secret] = gateway, cache
            return self._gateways[is_secret][0]

    def _cache_directory(self, *, is_secret: bool) -> Path:
        """The directory for repodata; rattler stores URLs in it, so secret ones get a temporary."""
        self._state.mkdir(parents=True, exist_ok=True)
        # Whatever this run reads, what a killed one left must go.
        remove_stale_temporaries(self._state, is_temporary_of("secret"))
        if is_secret:
            stack = ExitStack()
            weakref.finalize(self, stack.close)
            return stack.enter_context(temporary_directory(self._state, "secret"))
        cache = self._state / "repodata"
        cache.mkdir(exist_ok=True)
        return cache


class _Reporter(InstallerReporter):
    """Counts linked packages for a `Progress`; called from rattler's threads."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._done = 0
        self._total = 0

    def on_transaction_start(self, total_operations: int) -> None:
        self._total = total_operations

    def on_link_start(self, operation: int, package_name: str) -> int:  # noqa: ARG002  # rattler's signature
        return operation

    def on_link_complete(self, index: int) -> None:  # noqa: ARG002  # the same
        with self._lock:
            self._done += 1
            done = self._done
        self._progress(LINKING, done, self._total)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise every exception of rattler as one of ours, without credentials."""
    try:
        yield
    except (native.InvalidMatchSpecError, native.InvalidVersionSpecError) as error:
        raise SpecError(f"invalid MatchSpec: {error}", hint="correct it") from error
    except native.SolverError as error:
        raise _solver_error(error) from error
    except native.AuthenticationStorageError as error:
        raise SpecError(
            f"the credentials in the home directory cannot be read: {error}",
            hint="let HOME be a directory, or correct the file named",
        ) from error
    except (native.GatewayError, native.FetchRepoDataError, native.InvalidChannelError) as error:
        raise _channel_error(clean_lines(str(error))) from error
    except (native.InstallerError, native.LinkError, native.ExtractError) as error:
        raise install_error(clean_lines(str(error))) from error
    except BaseException as error:
        if type(error).__name__ not in PANICS and not isinstance(error, _NATIVE_ERRORS):
            raise
        lines = clean_lines(str(error))
        raise EngineFailedError(
            f"the embedded engine failed: {' '.join(lines[:1])}",
            hint="run again with -v, or try --engine micromamba",
            details=lines,
        ) from error


def _channel_error(lines: tuple[str, ...]) -> FetchError:
    if any(BROKEN_RECORD in line for line in lines):
        return BrokenRecordError(
            f"a channel has a malformed package record: {lines[-1]}",
            hint=BLAME_HINT,
            details=lines,
        )
    return FetchError(
        "a channel could not be read",
        hint="check its URL, the mirrors and the network",
        details=lines,
    )


def _solver_error(error: Exception) -> LadingError:
    text = str(error)
    if "cancelled" in text or "timeout" in text:
        return EngineFailedError(
            "the solver exceeded its time limit", hint="allow more time with --timeout"
        )
    return solve_error(clean_lines(text.removeprefix("Cannot solve the request because of: ")))


def _solution(
    gateway: rattler.Gateway, sources: Sources, request: SolveRequest
) -> tuple[RepodataRecord, ...]:
    """Solve the request with the locations in `sources`; return the records, sorted by name.

    Raises:
        BrokenRecordError: A record that may be needed is malformed.
        SolveError: There is no solution.
        EngineFailedError: The solution is incomplete, or rattler failed.
    """
    specs = [_native_spec(text, sources) for text in sorted(request.specs)]
    locked = _still_offered(gateway, sources, request)
    with _translated():
        solution = run_coroutine(
            lambda: rattler.solve(
                [rattler.Channel(location) for location in sources.values()],
                specs,
                gateway=gateway,
                platforms=_subdirs(request.platform),
                locked_packages=locked,
                virtual_packages=[
                    rattler.GenericVirtualPackage(
                        rattler.PackageName(package.name),
                        rattler.Version(package.version),
                        NativeBuildString.new_unchecked(package.build),
                    )
                    for package in request.virtual_packages
                ],
                timeout=(
                    None if request.timeout is None else dt.timedelta(seconds=request.timeout)
                ),
                channel_priority=(
                    rattler.ChannelPriority.Strict
                    if request.strict_priority
                    else rattler.ChannelPriority.Disabled
                ),
                channel_relations="disabled",
                exclude_newer=request.exclude_newer,
            )
        )
    solved = [
        SolvedRecord(
            record=_record(item, sources),
            extra_depends=item.extra_depends,
            flags=tuple(item.flags),
        )
        for item in sorted(solution, key=lambda item: item.name.normalized)
    ]
    records, counting = decide(solved, request.specs, request.virtual_packages)
    check_closure(records, counting, request.virtual_packages)
    return records


def _first_answering(gateway: rattler.Gateway, channel: ChannelUrl, request: SolveRequest) -> str:
    """Fetch the repodata of `channel`; return the first of its locations that can be read.

    Raises:
        FetchError: No location can be read.
    """
    failures: list[str] = []
    for location in request.mirrors.locations(channel):
        try:
            with _translated():
                # Any query makes the gateway fetch both subdirs. No package has this name, so
                # that malformed records of packages that are not needed do no harm.
                _query(gateway, [location], request.platform, [NOBODY])
        except FetchError as error:
            _log.warning("cannot read %s", without_credentials(location))
            failures += [f"{without_credentials(location)}:", *error.details]
        else:
            return location
    raise FetchError(
        f"the channel {without_credentials(channel)} could not be read",
        hint="check its URL, the mirrors and the network",
        details=tuple(failures),
    )


def _still_offered(
    gateway: rattler.Gateway, sources: Sources, request: SolveRequest
) -> list[rattler.RepoDataRecord]:
    """The locked records as the channels offer them today.

    A lock keeps neither `constrains` nor builds of dependencies, so the solver would miss conflicts
    with its own records; and an archive that a channel has removed cannot be kept.
    """
    if not request.locked:
        return []
    names = [str(record.name) for record in request.locked]
    with _translated():
        found = _query(gateway, sources.values(), request.platform, names)
    wanted = {record.file_name: record for record in request.locked}
    kept = [
        record
        for record in found
        if (mine := wanted.get(record.file_name)) is not None
        and (mine.sha256 is None or (record.sha256 or b"").hex() == mine.sha256.hex)
    ]
    _log.debug("%s: %d of %d pins still offered", request.platform, len(kept), len(wanted))
    return kept


def _query(
    gateway: rattler.Gateway, locations: Iterable[str], platform: Platform, names: Sequence[str]
) -> list[rattler.RepoDataRecord]:
    found = run_coroutine(
        lambda: gateway.query(
            [rattler.Channel(location) for location in locations],
            _subdirs(platform),
            names,
            recursive=False,
            channel_relations="disabled",
        )
    )
    return [record for records in found for record in records]


def _native_spec(text: MatchSpecText, sources: Sources) -> rattler.MatchSpec:
    located = located_spec(text, sources)
    with _translated():
        return rattler.MatchSpec(located, strict=True)


async def _native_record(
    record: RepodataRecord, archives: Mapping[str, Path]
) -> rattler.RepoDataRecord:
    """`record` for rattler, its URL replaced by that of the archive on this machine."""
    archive = archives[record.distribution]
    site_packages: str | None = None
    if record.name == PYTHON:
        # Locks do not keep it, and noarch packages of a free-threaded Python depend on it.
        described = await rattler.RepoDataRecord.from_package_archive(archive)
        site_packages = described.python_site_packages_path
    package = rattler.PackageRecord(
        record.name,
        record.version,
        NativeBuildString.new_unchecked(record.build),
        record.build_number,
        record.subdir,
        depends=list(record.depends),
        constrains=list(record.constrains),
        sha256=bytes.fromhex(record.sha256.hex) if record.sha256 else None,
        md5=bytes.fromhex(record.md5.hex) if record.md5 else None,
        size=record.size or None,
        license=record.license or None,
        python_site_packages_path=site_packages,
    )
    return rattler.RepoDataRecord(package, archive.name, archive.as_uri(), record.channel)


def _record(item: rattler.RepoDataRecord, sources: Sources) -> RepodataRecord:
    """A record of rattler as one of ours, URLs canonical."""
    content: Mapping[str, object] = json.loads(item.to_json())
    channel, url = canonical_url(item.url, sources)
    timestamp = content.get("timestamp")
    noarch = content.get("noarch")
    return RepodataRecord(
        name=PackageName(item.name.normalized),
        version=str(content["version"]),
        build=BuildString(str(item.build)),
        build_number=item.build_number,
        subdir=item.subdir,
        channel=channel,
        url=url,
        sha256=Digest.sha256(item.sha256.hex()) if item.sha256 else None,
        md5=Digest.md5(item.md5.hex()) if item.md5 else None,
        size=item.size or 0,
        depends=tuple(MatchSpecText(text) for text in item.depends),
        constrains=tuple(MatchSpecText(text) for text in item.constrains),
        license=item.license or "",
        timestamp=timestamp if isinstance(timestamp, int) else 0,
        noarch=noarch if isinstance(noarch, str) else "",
    )


def _subdirs(platform: Platform) -> list[rattler.Subdir]:
    return [rattler.Subdir(platform.value), rattler.Subdir("noarch")]
