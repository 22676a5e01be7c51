"""HTTP: client, checked downloads, ranges, credentials."""

from typing import TYPE_CHECKING

from lading.lazy import lazy_exports

if TYPE_CHECKING:
    from lading.net.client import Transport as Transport
    from lading.net.credentials import (
        channel_credentials as channel_credentials,
        index_credentials as index_credentials,
        opened_url as opened_url,
        read_credentials as read_credentials,
    )
    from lading.net.download import Download as Download, Network as Network, fetch_all as fetch_all
    from lading.net.range_file import PartialFile as PartialFile, RemoteFile as RemoteFile
    from lading.net.retry_policy import CONNECTIONS as CONNECTIONS, RetryPolicy as RetryPolicy
else:
    __getattr__, __dir__ = lazy_exports(__name__)
