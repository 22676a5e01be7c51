"""The embedded engine: py-rattler, in this process.

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
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import rattler
from rattler.install import InstallerReporter
from rattler.package import BuildString as NativeBuildString

from lading.conda import (
    BuildString,
    ChannelUrl,
    MatchSpecText,
    PackageName,
    Platform,
    RepodataRecord,
    parse_matchspec,
)
from lading.engine.broken_records import repaired_channels
from lading.engine.closure import check_closure
from lading.engine.conditional import SolvedRecord, decide
from lading.engine.errors import BrokenRecordError, solve_error
from lading.engine.event_loop import run_coroutine
from lading.engine.location import Sources, canonical_url, located_spec
from lading.engine.protocol import LINKING, InstallRequest, Offered, Offers, SolveRequest
from lading.engine.rattler_channels import NOARCH, Gateways, names_in, query, subdirs_of
from lading.engine.rattler_errors import translated
from lading.system import Digest, Progress

PYTHON = "python"
_log = logging.getLogger(__name__)


class EmbeddedEngine:
    """The `Engine` that needs nothing installed besides lading."""

    def __init__(self, state_directory: Path) -> None:
        """An engine that keeps repodata below `state_directory`, absolute and private."""
        self._gateways = Gateways(state_directory)

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
        gateway, sources = self._gateways.open(request)
        try:
            return _solution(gateway, sources, request)
        except BrokenRecordError as error:
            caches = self._gateways.caches
            with repaired_channels(sources, request.platform, caches, error) as repaired:
                gateway = rattler.Gateway(cache_dir=repaired.directory, client=rattler.Client())
                with repaired.blamed():
                    return _solution(gateway, repaired.sources, request)

    def look_up(
        self, request: SolveRequest, names: Sequence[str], platforms: Sequence[Platform]
    ) -> Offers:
        """What the channels offer, see `Engine.look_up`."""
        gateway, sources = self._gateways.open(request)
        subdirs = [*(platform.value for platform in platforms), NOARCH]
        with translated():
            return Offers(
                names={subdir: names_in(gateway, sources, subdir) for subdir in subdirs},
                records=tuple(
                    Offered(
                        name=item.name.normalized,
                        version=str(item.version),
                        build=str(item.build),
                        channel=channel,
                        subdir=item.subdir,
                        depends=tuple(item.depends),
                    )
                    for channel, location in sources.items()
                    for item in query(gateway, [location], subdirs, names)
                ),
            )

    def place_of_extracted(self, record: RepodataRecord, package_cache: Path) -> Path:
        """The directory that rattler looks for, see `Engine.place_of_extracted`."""
        return package_cache / record.distribution

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

        with translated():
            run_coroutine(install)
        # rattler marks a prefix as a cache, which backup programs would skip.
        (request.prefix / "CACHEDIR.TAG").unlink(missing_ok=True)
        # rattler moves clobbered files there, and sometimes leaves empty directories behind.
        shutil.rmtree(request.prefix / "__clobbers__", ignore_errors=True)


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


def _solution(
    gateway: rattler.Gateway, sources: Sources, request: SolveRequest
) -> tuple[RepodataRecord, ...]:
    """Solve the request with the locations in `sources`; return the records, sorted by name."""
    located = [located_spec(text, sources) for text in sorted(request.specs)]
    with translated():
        specs = [rattler.MatchSpec(text, strict=True) for text in located]
    locked = _still_offered(gateway, sources, request)
    with translated():
        solution = run_coroutine(
            lambda: rattler.solve(
                [rattler.Channel(location) for location in sources.values()],
                specs,
                gateway=gateway,
                platforms=[rattler.Subdir(name) for name in subdirs_of(request.platform)],
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
                # rattler overwrites the offset.
                exclude_newer=request.exclude_newer and request.exclude_newer.astimezone(dt.UTC),
            )
        )
    solved = [
        SolvedRecord(
            record=_record(item, sources), extra_depends=item.extra_depends, flags=tuple(item.flags)
        )
        for item in sorted(solution, key=lambda item: item.name.normalized)
    ]
    if request.strict_priority:
        _refuse_later_channels(gateway, sources, request, [item.record for item in solved])
    records, counting = decide(solved, request.specs, request.virtual_packages)
    check_closure(records, counting, request.virtual_packages)
    return records


def _refuse_later_channels(
    gateway: rattler.Gateway,
    sources: Sources,
    request: SolveRequest,
    records: Sequence[RepodataRecord],
) -> None:
    """Refuse a requested package that an earlier channel has in other versions alone.

    rattler reads only records that satisfy the specs, so for these it does not see which channel
    has the name.
    """
    free = {spec.name for spec in map(parse_matchspec, request.specs) if not spec.channel}
    order = list(sources)
    for record in records:
        earlier = order[: order.index(ChannelUrl(record.channel))]
        if record.name not in free or not earlier:
            continue
        locations = [sources[channel] for channel in earlier]
        with translated():
            found = query(gateway, locations, subdirs_of(request.platform), [record.name])
        if found:
            reason = f"{record.distribution} is in {record.channel}; an earlier channel has others"
            raise solve_error((reason,))


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
    with translated():
        found = query(gateway, sources.values(), subdirs_of(request.platform), names)
    wanted = {record.file_name: record for record in request.locked}
    kept = [
        record
        for record in found
        if (mine := wanted.get(record.file_name)) is not None
        and (mine.sha256 is None or (record.sha256 or b"").hex() == mine.sha256.hex)
    ]
    _log.debug("%s: %d of %d pins still offered", request.platform, len(kept), len(wanted))
    return kept


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
    channel, url = canonical_url(item.url, item.channel or "", sources)
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
        indexed_timestamp=int(item.indexed_timestamp.timestamp() * 1000)
        if item.indexed_timestamp
        else 0,
        noarch=noarch if isinstance(noarch, str) else "",
    )
