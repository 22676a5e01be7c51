"""The channels of a request, as rattler's gateways read them.

Repodata is kept in the state directory alone; where a URL holds a credential, in a temporary one.
"""

import logging
import threading
import weakref
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import rattler
from rattler.networking.middleware import AddHeadersMiddleware, OciMiddleware, RetryMiddleware

from lading.conda import ChannelUrl, Platform
from lading.engine.errors import unread_channel
from lading.engine.event_loop import run_coroutine
from lading.engine.location import BearerTokens, Sources, refuse_absent
from lading.engine.protocol import SolveRequest
from lading.engine.rattler_errors import translated
from lading.errors import FetchError
from lading.system import (
    has_credentials,
    is_temporary_of,
    remove_stale_temporaries,
    temporary_directory,
    without_credentials,
)

RETRIES = 2
PATIENCE_SECONDS = 300
NOARCH = "noarch"
NOBODY = "lading-asks-for-nobody"

_log = logging.getLogger(__name__)


class Gateways:
    """Gateways that keep what they have read; one for channels with credentials in their URLs."""

    def __init__(self, state_directory: Path) -> None:
        """Gateways that keep repodata below `state_directory`, absolute and private."""
        self._state = state_directory
        self._lock = threading.Lock()
        self._gateways: dict[bool, tuple[rattler.Gateway, Path]] = {}
        self._bearers = BearerTokens()

    @property
    def caches(self) -> tuple[Path, ...]:
        """The directories in which repodata is kept."""
        return tuple(directory for _, directory in tuple(self._gateways.values()))

    def open(self, request: SolveRequest) -> tuple[rattler.Gateway, Sources]:
        """A gateway to the channels of a request, and where each of them can be read."""
        refuse_absent(request.channels, request.mirrors)
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
        return gateway, sources

    def _open_gateway(self, *, is_secret: bool, timeout: float | None) -> rattler.Gateway:
        """The gateway for channels with credentials in their URLs, or for those without.

        One download of repodata may take `timeout` seconds; None means the usual.
        """
        with self._lock:
            if is_secret not in self._gateways:
                # No AuthenticationMiddleware: it reads the credentials of the caller's home.
                with translated():
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


def _first_answering(gateway: rattler.Gateway, channel: ChannelUrl, request: SolveRequest) -> str:
    """Fetch the repodata of `channel`; return the first of its locations that can be read."""
    failures: list[str] = []
    for location in request.mirrors.locations(channel):
        try:
            with translated():
                # Any query makes the gateway fetch both subdirs. No package has this name, so
                # that malformed records of packages that are not needed do no harm.
                query(gateway, [location], subdirs_of(request.platform), [NOBODY])
        except FetchError as error:
            _log.warning("cannot read %s", without_credentials(location))
            failures += [f"{without_credentials(location)}:", *error.details]
        else:
            return location
    what = f"the channel {without_credentials(channel)} could not be read"
    raise unread_channel(tuple(failures), what)


def query(
    gateway: rattler.Gateway, locations: Iterable[str], subdirs: Sequence[str], names: Sequence[str]
) -> list[rattler.RepoDataRecord]:
    """The records of the packages `names` in `subdirs` of the channels at `locations`."""
    found = run_coroutine(
        lambda: gateway.query(
            [rattler.Channel(location) for location in locations],
            [rattler.Subdir(name) for name in subdirs],
            names,
            recursive=False,
            channel_relations="disabled",
        )
    )
    return [record for records in found for record in records]


def names_in(gateway: rattler.Gateway, sources: Sources, subdir: str) -> frozenset[str]:
    """The names of all packages in one subdir of the channels."""
    found = run_coroutine(
        lambda: gateway.names(
            [rattler.Channel(location) for location in sources.values()],
            [rattler.Subdir(subdir)],
            channel_relations="disabled",
        )
    )
    return frozenset(name.normalized for name in found)


def subdirs_of(platform: Platform) -> list[str]:
    """The subdirs that a machine of `platform` uses."""
    return [platform.value, NOARCH]
