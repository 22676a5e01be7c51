"""Channels and mirrors."""

import pytest

from lading.conda.channels import Credential, MirrorMap, canonical_channel
from lading.system.redaction import without_credentials

BASE = "https://conda.anaconda.org/conda-forge"
MIRRORS = MirrorMap(
    mirrors={
        BASE: ("https://mirror.invalid/cf/", "file:///srv/cf"),
        f"{BASE}/label/dev": ("file:///srv/dev",),
    }
)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("conda-forge", BASE),
        (" conda-forge/ ", BASE),
        ("conda-forge/label/dev", f"{BASE}/label/dev"),
        ("https://x.invalid/c/", "https://x.invalid/c"),
        ("file:///srv/c", "file:///srv/c"),
    ],
)
def test_canonical_channel(name: str, url: str) -> None:
    """A name is a path below the alias, a URL is itself without its last slash."""
    assert url == canonical_channel(name)


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://user:pw@x.invalid/c", "https://x.invalid/c"),
        ("https://x.invalid/t/tk-123/c/noarch", "https://x.invalid/c/noarch"),
        ("https://user@x.invalid:8080/c", "https://x.invalid:8080/c"),
        ("https://x.invalid/c", "https://x.invalid/c"),
        ("file:///srv/c", "file:///srv/c"),
    ],
)
def test_credentials_are_left_out(url: str, clean: str) -> None:
    """A URL that may be written names no user, password or token."""
    assert clean == without_credentials(url)


def test_mirrors_are_asked_in_order() -> None:
    """A URL below a base is looked for at every mirror of it, in order."""
    assert (
        "https://mirror.invalid/cf/noarch/x.conda",
        "file:///srv/cf/noarch/x.conda",
    ) == MIRRORS.locations(f"{BASE}/noarch/x.conda")


def test_the_longest_base_decides() -> None:
    """Mirrors of a label are not those of its channel."""
    assert ("file:///srv/dev/noarch/x",) == MIRRORS.locations(f"{BASE}/label/dev/noarch/x")


@pytest.mark.parametrize("url", ["https://other.invalid/c/x", f"{BASE}-extra/noarch/x"])
def test_other_urls_are_themselves(url: str) -> None:
    """A URL that lies below no base is fetched from where it says, a longer name included."""
    assert (url,) == MIRRORS.locations(url)


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://mirror.invalid/cf/noarch/x", f"{BASE}/noarch/x"),
        ("file:///srv/cf", BASE),
        ("https://elsewhere.invalid/x", "https://elsewhere.invalid/x"),
        ("file:///srv/cfx/y", "file:///srv/cfx/y"),
    ],
)
def test_a_location_is_mapped_back(url: str, canonical: str) -> None:
    """What was found on a mirror is known by its canonical URL."""
    assert canonical == MIRRORS.canonical(url)


def test_bearer() -> None:
    """A token for a header is in no URL and no `repr`; a URL with a credential needs none."""
    credentials = (
        Credential(host="a.invalid", path="/private", bearer="secret"),
        Credential(host="*.b.invalid", bearer="other"),
    )
    mirrors = MirrorMap(credentials=credentials)
    url = "https://a.invalid/private/noarch/x.conda"
    assert (url,) == mirrors.locations(url)
    assert "secret" == mirrors.bearer(url)
    assert "other" == mirrors.bearer("https://x.b.invalid/channel")
    for without in (
        "https://a.invalid/public",
        "https://user:pw@a.invalid/private/x",
        "file:///private/x",
    ):
        assert "" == mirrors.bearer(without)
    assert "secret" not in repr(mirrors)
