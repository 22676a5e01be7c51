"""What a user may name: a path, a URL that is read, and URLs that another program must fetch."""

from pathlib import Path

import pytest

from lading.errors import UsageError
from lading.format.places import local_place, tarball_place

ROOT = Path("/project")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("dist/env.tar.zst", ROOT / "dist/env.tar.zst"),
        ("https://host/env.tar.zst", "https://host/env.tar.zst"),
        ("HTTP://host/env.tar", "HTTP://host/env.tar"),
        ("odd:name", ROOT / "odd:name"),
    ],
)
def test_places(name: str, place: str | Path) -> None:
    """A path is made absolute; http and https are read."""
    assert place == tarball_place(name, ROOT.joinpath)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("s3://bucket/env.tar.zst", "pipe it: aws s3 cp s3://bucket/env.tar.zst -"),
        ("gs://bucket/env.tar", "pipe it: gcloud storage cat gs://bucket/env.tar"),
        ("ssh://me@node/data/env.tar", "pipe it: ssh node cat /data/env.tar"),
        ("ftp://host/env.tar", "pipe it: curl ftp://host/env.tar"),
    ],
)
def test_what_can_be_piped(name: str, hint: str) -> None:
    """Where standard input is read, the whole command is named; elsewhere how to fetch it."""
    with pytest.raises(UsageError) as caught:
        tarball_place(name, ROOT.joinpath, piped=True)
    assert caught.value.hint == f"{hint} | lading unpack - DIR"
    with pytest.raises(UsageError) as caught:
        tarball_place(name, ROOT.joinpath)
    assert caught.value.hint.startswith("fetch it first, then name the file: ")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "oci://ghcr.io/me/env:1",
            "fetch it first, then name the file: oras pull ghcr.io/me/env:1",
        ),
        (
            "https://host/env.sqsh",
            "fetch it first, then name the file: curl -L -O https://host/env.sqsh",
        ),
        ("file:///data/env.tar", "name the path: /data/env.tar"),
        ("odd://a{0}b", "fetch it first, then name the file: use the program that knows such URLs"),
    ],
)
def test_what_must_be_fetched(name: str, hint: str) -> None:
    """The scheme is named, and what to do; a secret in the URL is not repeated."""
    with pytest.raises(UsageError, match="lading reads a path here, and not") as caught:
        local_place(name, ROOT.joinpath)
    assert hint == caught.value.hint
    with pytest.raises(UsageError) as caught:
        local_place("s3://key:secret@bucket/env", ROOT.joinpath)
    assert "secret" not in f"{caught.value} {caught.value.hint}"
