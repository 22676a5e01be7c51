"""`lading.engine.tokens`: tokens by host and path."""

from lading.conda.channels import Credential, MirrorMap
from lading.engine.tokens import BearerTokens


def test_only_below_the_channel() -> None:
    """A token is sent for what lies in its channel, and for nothing else on its host."""
    bearers = BearerTokens()
    credentials = (Credential(host="a.invalid:8443", bearer="secret"),)
    locations = ["https://a.invalid:8443/channel", "https://b.invalid/channel"]
    bearers.learn(locations, MirrorMap(credentials=credentials))
    path = "/channel/noarch/repodata.json"
    assert bearers.headers("a.invalid", path) == {"Authorization": "Bearer secret"}
    assert bearers.headers("b.invalid", path) is None
    assert bearers.headers("a.invalid", "/channel-of-others/x") is None
