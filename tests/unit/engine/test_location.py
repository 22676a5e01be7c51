"""`lading.engine.location`: canonical URLs in and out, and tokens by host and path."""

import pytest

from lading.conda.channels import ChannelUrl, Credential, MirrorMap
from lading.conda.names import MatchSpecText
from lading.engine.location import BearerTokens, canonical_url, located_spec
from lading.errors import EngineFailedError, SpecError

FORGE = ChannelUrl("https://conda.anaconda.org/conda-forge")
SOURCES = {FORGE: "https://user:secret@mirror.invalid/forge/"}


def test_canonical_with_and_without_credentials() -> None:
    """A URL below the location is below the channel, whether or not it has the credentials."""
    expected = (FORGE, f"{FORGE}/noarch/a-1-0.conda")
    for base in ("https://user:secret@mirror.invalid/forge", "https://mirror.invalid/forge"):
        assert expected == canonical_url(f"{base}/noarch/a-1-0.conda", "", SOURCES)


def test_foreign_url() -> None:
    """A package from elsewhere is refused, and its credentials are not told."""
    with pytest.raises(EngineFailedError) as caught:
        canonical_url("https://user:secret@elsewhere.invalid/noarch/a-1-0.conda", "", SOURCES)
    assert "https://elsewhere.invalid/noarch/a-1-0.conda" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_spec_with_channel() -> None:
    """The channel of a spec becomes the location that is read."""
    located = f"{SOURCES[FORGE]}::numpy >=2"
    assert located == located_spec(MatchSpecText("conda-forge::numpy >=2"), SOURCES)
    assert located == located_spec(MatchSpecText(f"{FORGE}::numpy >=2"), SOURCES)
    assert located_spec(MatchSpecText("numpy >=2"), SOURCES) == "numpy >=2"


def test_spec_with_foreign_channel() -> None:
    """A channel that is not read cannot be asked for."""
    with pytest.raises(SpecError, match="not among those given") as caught:
        located_spec(MatchSpecText("bioconda::samtools"), SOURCES)
    assert "add bioconda" in caught.value.hint


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
