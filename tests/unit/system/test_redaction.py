"""What is secret, and that nothing of it is left."""

import pytest

from lading.errors import SpecError
from lading.system.redaction import has_credentials, redact, split_token, without_credentials

SECRET = "s3cr3t"  # noqa: S105  # the subject of these tests

SECRET_URLS = {
    f"https://user:{SECRET}@host.example/chan": "https://host.example/chan",
    f"https://{SECRET}@host.example/chan": "https://host.example/chan",
    f"https://user:{SECRET}@host.example:8443/a@1": "",
    f"git+https://user:{SECRET}@host.example/a@v1": "git+https://host.example/a@v1",
    f"https://host.example/t/{SECRET}/chan": "https://host.example/chan",
    f"https://host.example/t/{SECRET}": "https://host.example",
    f"https://host.example/api/repo/t/{SECRET}/chan": "https://host.example/api/repo/chan",
    f"https://host.example/t/{SECRET}/t/{SECRET}/chan": "https://host.example/chan",
    f"s3://bucket/t/{SECRET}/chan": "s3://bucket/chan",
    f"https://host.example/x.tar?X-Amz-Signature={SECRET}&sig=x": "https://host.example/x.tar",
    f"https://host.example/x.tar?{SECRET}#sha256=00": "https://host.example/x.tar#sha256=00",
    f"https://user:{SECRET}@[::1]:8080/chan": "https://[::1]:8080/chan",
}
"""URL → the same without secrets, or nothing where it is refused."""

MALFORMED = [
    f"https://user:pass/{SECRET}@host.example/chan",
    f"https://user:12/{SECRET}@host.example/chan",
    f"https://user:pass?{SECRET}@host.example/chan",
    f"https://user:pass#{SECRET}@host.example/chan",
    f"https://user:/{SECRET}@host.example/chan",
    f"https://user:?{SECRET}@host.example/chan",
    f"https://user:#{SECRET}@host.example/chan",
    f"https://user:@{SECRET}?@host.example/chan",
    f"https://#{SECRET}@host.example/chan",
    f"https://a@b.example:12/{SECRET}@host.example/chan",
    f"https://[user:{SECRET}@host.example/chan",
    f"https://user:pass {SECRET}@host.example/chan",
    f"https://user:pass'{SECRET}@host.example/chan",
]

HARMLESS = [
    "conda-forge",
    "https://conda.anaconda.org/conda-forge/noarch/a-1-0.conda",
    "https://index.example/packages/source/t/tqdm/tqdm-4.0.tar.gz",
    "https://host.example:8080/chan@1",
    "http://localhost:8080/chan@1",
    "http://127.0.0.1:8080/chan@1",
    "file:///t/project/channel",
    "file:///data/t/project/channel?x",
    "file:///data/<name>/channel",
    "oci://ghcr.io/channel-mirrors/conda-forge",
]


@pytest.mark.parametrize(("url", "expected"), SECRET_URLS.items())
def test_secrets_are_removed(url: str, expected: str) -> None:
    """What is left is the URL to write down."""
    if expected:
        assert (expected, True) == (without_credentials(url), has_credentials(url))
    assert SECRET not in redact(f"fetch {url}, then stop")


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_url_is_refused_without_showing_it(url: str) -> None:
    """Where the password ends cannot be told."""
    with pytest.raises(SpecError, match="not shown") as caught:
        without_credentials(url)
    assert SECRET not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("url", [item for item in MALFORMED if " " not in item and "'" not in item])
def test_a_malformed_url_is_hidden_in_a_text(url: str) -> None:
    """All of it, but for the scheme."""
    assert "fetch https://***, then stop" == redact(f"fetch {url} , then stop").replace(" ,", ",")


@pytest.mark.parametrize("url", HARMLESS)
def test_what_is_not_secret_stays(url: str) -> None:
    """Also a directory `t` of this machine, and PyPI's directory of names that begin with t."""
    assert (url, False) == (without_credentials(url), has_credentials(url))
    assert f"see {url}" == redact(f"see {url}")


@pytest.mark.parametrize(
    "text",
    [
        f"Retrying after connection broken by 'x': https://host/t/{SECRET}/a",
        f"HTTPConnectionPool(host='h', port=80): Max retries exceeded with url: /t/{SECRET}/a?x=1",
        f"Max retries exceeded with url: /api/t/{SECRET}/a (Caused by x)",
        f"Max retries exceeded with url: /a?sig={SECRET} (Caused by x)",
        f'https://host:443 "GET /t/{SECRET}/a HTTP/1.1" 401',
        f"Authorization: Basic {SECRET}",
        f"{{'Authorization': 'Bearer {SECRET}'}}",
        f"authorization={SECRET}",
        f'{{"url":"https://user:{SECRET}@host/a","hint":""}}',
        f"fetch https://user:it's{SECRET}@host/simple",
        f"--extra-index-url https://user:{SECRET}@host/simple",
        f"--index-url=https://user:{SECRET}@host/simple",
    ],
)
def test_texts_of_others(text: str) -> None:
    """Messages of libraries and programs, and headers."""
    assert SECRET not in redact(text)


def test_a_path_of_this_machine_stays() -> None:
    """A directory of the name t holds no token."""
    assert "unpacked /scratch/t/project/env" == redact("unpacked /scratch/t/project/env")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/t/token/chan", ("", "token", "/chan")),
        ("/api/repo/t/token/chan", ("/api/repo", "token", "/chan")),
        ("/api/repo/t", ("/api/repo/t", "", "")),
    ],
)
def test_the_token_of_a_path(path: str, expected: tuple[str, str, str]) -> None:
    """Before it, it, and after it."""
    assert expected == split_token(path)
