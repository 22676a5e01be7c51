"""Between canonical channels and the locations they are read from.

`sources` is canonical channel URL → the location that answered, in order of priority.
"""

from collections.abc import Mapping

from lading.conda import ChannelUrl, MatchSpecText, canonical_channel, without_credentials
from lading.errors import EngineFailedError, SpecError

__all__ = ["canonical_url", "located_spec"]

Sources = Mapping[ChannelUrl, str]


def located_spec(text: MatchSpecText, sources: Sources) -> str:
    """`text` with the channel that it may name replaced by the location that is read.

    Raises:
        SpecError: It names a channel that is none of `sources`.
    """
    channel, separator, rest = text.rpartition("::")
    if not separator:
        return text
    location = sources.get(canonical_channel(channel))
    if location is None:
        raise SpecError(
            f"{text} names a channel that is not among those given",
            hint=f"add {without_credentials(channel)} to `channels`",
        )
    return f"{location}::{rest}"


def canonical_url(url: str, sources: Sources) -> tuple[ChannelUrl, str]:
    """The canonical URLs of the channel and of the archive that an engine found at `url`.

    Raises:
        EngineFailedError: `url` lies in none of `sources`.
    """
    # An engine may leave the credentials of a location out of the URLs it answers with, or mask
    # them with asterisks.
    plain = without_credentials(url)
    for channel, location in sources.items():
        base = without_credentials(location).rstrip("/")
        if plain.startswith(base + "/"):
            return channel, channel + plain[len(base) :]
    raise EngineFailedError(
        f"the engine answered with a package of another channel: {without_credentials(url)}",
        hint="clear the engine's state directory and try again",
    )
