"""Credentials that stand in the URLs of channels."""

import pytest

from lading.conda import MirrorMap
from lading.errors import SpecError
from lading.net.credentials import channel_credentials
from lading.system import without_credentials


@pytest.mark.parametrize(
    "channel",
    [
        "https://user:word@host.example/chan",
        "https://host.example/t/word/chan",
        "https://host.example/api/repo/t/word/chan",
        "https://user:word@host.example:8443/t/word/chan",
    ],
)
def test_a_credential_goes_back_to_where_it_was(channel: str) -> None:
    """The plain URL is what is written; the secret is put in when it is fetched."""
    mirrors = MirrorMap(credentials=channel_credentials([channel], {}))
    plain = without_credentials(channel)
    assert "word" not in plain
    assert (f"{channel}/noarch/x.conda",) == mirrors.locations(f"{plain}/noarch/x.conda")
    assert "word" not in repr(mirrors)


def test_a_password_that_is_not_encoded_is_refused() -> None:
    """And not shown."""
    with pytest.raises(SpecError, match="malformed") as caught:
        channel_credentials(["https://user:pass/word@host.example/chan"], {})
    assert "pass" not in str(caught.value).replace("password", "")
