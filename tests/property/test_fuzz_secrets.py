"""Wherever a secret stands in a URL, and the URL in an input: no error and no output shows it."""

import json
import re
import tempfile
from pathlib import Path

from hypothesis import given, strategies as st

from lading.errors import LadingError, SpecError
from lading.lock import (
    diff_locks,
    export_environment_yml,
    export_explicit,
    export_requirements,
    read_lockfile,
)
from lading.lock.requested import read_sources
from lading.system import parse_yaml, redact, without_credentials
from simulators.fuzzing import MEMORY, SECRET, edited_document, outcome, usually
from simulators.samples import ENVIRONMENT, LOCK

SCHEMES = st.sampled_from(["http", "https", "HTTPS", "s3", "ftp", "socks5", "git+https", "oci"])
HOSTS = st.sampled_from(
    ["host.example", "localhost", "[::1]", "127.0.0.1", "host", "host.example:8080", "é.example"]
)
# A space ends a URL, so what follows one is not part of it.
ODD = st.text(st.sampled_from('/?#@:%[]&=+;,!*()|~$é"'), max_size=2)
LEGAL = st.text(st.sampled_from("@:%&=+;,!*()~$é'"), max_size=2)
PATHS = st.sampled_from(["", "/", "/a", "/channel/linux-64/a-1-0.conda", "/t/", "/simple/t/a"])


@st.composite
def urls(draw: st.DrawFn, odd: st.SearchStrategy[str] = LEGAL) -> str:
    """A URL with a secret in one of the places where URLs have them."""
    scheme, host, path = draw(SCHEMES), draw(HOSTS), draw(PATHS)
    secret = draw(odd) + SECRET + draw(odd)
    match draw(st.sampled_from(["password", "user", "token", "deep token", "query"])):
        case "password":
            return f"{scheme}://user:{secret}@{host}{path}"
        case "user":
            # With one of these it could as well be a host.
            secret = re.sub(r"[/?#:]", "", secret)
            return f"{scheme}://{secret}@{host}{path}"
        case "token":
            return f"{scheme}://{host}/t/{SECRET}{path}"
        case "deep token":
            return f"{scheme}://{host}/api/repo/t/{SECRET}{path}"
        case _:
            return f"{scheme}://{host}{path}?a=1&X-Amz-Signature={SECRET}{draw(odd)}"


@usually
@given(urls(ODD), st.sampled_from(["", "x ", "'", '"', "(", "<", "url=", "\n", "[", "é"]))
def test_any_url(url: str, before: str) -> None:
    """It is cleaned, or refused without being shown; a text around it does not matter."""
    try:
        assert SECRET not in without_credentials(url)
    except SpecError as error:
        assert SECRET not in str(error)  # noqa: PT017  # most URLs are not refused
    if '"' in url:
        # No URL holds one, and in a text it ends what is taken for a URL.
        return
    after = {"(": ")", "<": ">", "[": "]"}.get(before, before)
    for text in (
        before + url + after,
        repr(before + url),
        json.dumps({before: url}, ensure_ascii=False),
    ):
        assert SECRET not in redact(text)


@usually
@given(edited_document(parse_yaml(LOCK), 2, urls()))
def test_in_a_lock(document: object) -> None:
    """A foreign lock is cleaned when it is read, or refused."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name, "linux-64.conda-lock.yml")
        path.write_text(json.dumps(document))
        found = outcome(lambda: read_lockfile(path))
    if isinstance(found, LadingError):
        return
    for ask in (
        lambda: [item.to_record().url for item in found.conda],
        lambda: export_explicit(found),
        lambda: export_requirements(found),
        lambda: export_environment_yml(found, "name"),
        lambda: diff_locks(None, found),
        lambda: found.channels,
    ):
        answer = outcome(ask)
        assert isinstance(answer, LadingError) or SECRET not in redact(repr(answer))
    for url in [item.url for item in found.packages]:
        assert SECRET not in url


@usually
@given(edited_document(parse_yaml(ENVIRONMENT), 2, urls()))
def test_in_an_environment_file(document: object) -> None:
    """What is wrong with an environment file is told without the secrets in it."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name, "environment.yml")
        path.write_text(json.dumps(document))
        found = outcome(lambda: read_sources((path,)))
        assert isinstance(found, LadingError) or SECRET not in redact(repr(found))
