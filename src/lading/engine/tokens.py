"""Tokens that servers demand in a header, as rattler asks for them: by host and path."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from lading.conda import MirrorMap

__all__ = ["BearerTokens"]


class BearerTokens:
    """The tokens of channels.

    rattler tells neither scheme nor port. So a token is known for the path of its channel alone,
    and of two servers on one host that have a channel of the same path one is refused.
    """

    def __init__(self) -> None:
        """No token is known."""
        self._tokens: dict[tuple[str, str], str] = {}

    def learn(self, locations: Iterable[str], mirrors: MirrorMap) -> None:
        """Remember the tokens for the channels at `locations`."""
        for location in locations:
            bearer = mirrors.bearer(location)
            if bearer:
                parts = urlsplit(location)
                self._tokens[parts.hostname or "", parts.path.rstrip("/")] = bearer

    def headers(self, host: str, path: str) -> dict[str, str] | None:
        """What is added to a request for `path` on `host`, or None."""
        # A copy: rattler asks from its threads, while another platform may begin.
        for (known_host, known_path), bearer in tuple(self._tokens.items()):
            if host == known_host and path.startswith(f"{known_path}/"):
                return {"Authorization": f"Bearer {bearer}"}
        return None
