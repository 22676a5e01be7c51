"""Canonical channel URLs, the locations they are read from, and the tokens for these.

`sources` is canonical channel URL → the location that answered, in order of priority.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote, urlsplit

from lading.conda import ChannelUrl, MatchSpecText, MirrorMap, Platform, canonical_channel
from lading.errors import EngineFailedError, FetchError, SpecError
from lading.system import without_credentials

Sources = Mapping[ChannelUrl, str]


def located_spec(text: MatchSpecText, sources: Sources) -> str:
    """`text` with the channel that it may name replaced by the location that is read."""
    channel, separator, rest = text.partition("::")
    if not separator:
        return text
    location = sources.get(canonical_channel(channel))
    if location is None:
        raise SpecError(
            f"{text} names a channel that is not among those given",
            hint=f"add {without_credentials(channel)} to `channels`",
        )
    return f"{location}::{rest}"


def subdir_urls(sources: Sources, platform: Platform) -> Iterator[tuple[ChannelUrl, str, str]]:
    """(channel, subdir, URL without credentials and slash) of all that a solve reads."""
    for channel, location in sources.items():
        for subdir in (platform.value, "noarch"):
            yield channel, subdir, f"{without_credentials(location).rstrip('/')}/{subdir}"


def canonical_url(url: str, named: str, sources: Sources) -> tuple[ChannelUrl, str]:
    """The canonical URLs of the channel and of the archive that an engine found at `url`.

    A channel may say that its archives lie elsewhere; then their URL is canonical as it stands.

    `named` is the location that the engine says it comes from, or empty.

    Source: CEP 15 (`base_url`).
    """
    # An engine may answer with URLs without the credentials of a location, or with asterisks.
    plain = without_credentials(url)
    bases = {
        channel: without_credentials(location).rstrip("/") for channel, location in sources.items()
    }
    canonical = next(
        (
            (channel, channel + plain[len(base) :])
            for channel, base in bases.items()
            if plain.startswith(base + "/")
        ),
        None,
    )
    known = without_credentials(named).rstrip("/")
    for channel, base in bases.items():
        if known == base:
            return channel, canonical[1] if canonical else plain
    if canonical:
        return canonical
    raise EngineFailedError(
        f"the engine chose a package of another channel: {without_credentials(url)}",
        hint="clear the engine's state directory and try again",
    )


def refuse_absent(channels: Iterable[ChannelUrl], mirrors: MirrorMap) -> None:
    """Refuse a channel of which every location is a directory that does not exist.

    Raises:
        FetchError: There is such a channel.
    """
    for channel in channels:
        locations = [urlsplit(location) for location in mirrors.locations(channel)]
        paths = [unquote(item.path) for item in locations if item.scheme == "file"]
        if len(paths) == len(locations) and not any(map(os.path.isdir, paths)):
            name = without_credentials(channel)
            raise FetchError(
                f"the channel {name} could not be read: there is no directory {paths[0]}",
                hint="correct its path, or make the channel there",
            )


class BearerTokens:
    """The bearer tokens of channels, by host and path as rattler asks for them.

    rattler passes neither scheme nor port. So two servers on one host that have a channel of the
    same path share a token, and one of them refuses it.
    """

    def __init__(self) -> None:
        """Begin without tokens."""
        self._tokens: dict[tuple[str, str], str] = {}

    def learn(self, locations: Iterable[str], mirrors: MirrorMap) -> None:
        """Remember the tokens for the channels at `locations`."""
        for location in locations:
            bearer = mirrors.bearer(location)
            if bearer:
                parts = urlsplit(location)
                self._tokens[parts.hostname or "", parts.path.rstrip("/")] = bearer

    def headers(self, host: str, path: str) -> dict[str, str] | None:
        """The headers to add to a request for `path` on `host`, or None."""
        # A copy: rattler asks from its threads, while `learn` may run for another platform.
        for (known_host, known_path), bearer in tuple(self._tokens.items()):
            if host == known_host and path.startswith(f"{known_path}/"):
                return {"Authorization": f"Bearer {bearer}"}
        return None
