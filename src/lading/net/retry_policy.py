"""How long servers are waited for; apart from the client, because urllib3 is slow to load."""

from dataclasses import dataclass

CONNECTIONS = 8
MIRROR_HINT = "check the network, or name a mirror under [mirrors] in lading.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long a server is waited for.

    Attributes:
        retries: How many times in a row it may fail without sending anything new.
        backoff: Seconds before the first retry; doubled for each further one.
        longest_wait: Seconds before a retry, if a server asks for more.
        read: Seconds between two pieces of data, and for the headers of an answer.
        least_rate: Bytes a second that an answer must bring on average of each `window`: a server
            that sends a byte now and then must not hold a run for ever.
        window: Seconds of waiting.
    """

    retries: int = 4
    backoff: float = 0.5
    longest_wait: float = 60.0
    connect: float = 20.0
    read: float = 60.0
    least_rate: float = 1000.0
    window: float = 60.0
