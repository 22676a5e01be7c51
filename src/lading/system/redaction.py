"""What is secret in a URL or a text, and taking it out. The only place that says so.

Secret are, in a URL of any scheme but `file:`,

1. `user:password@` before the host;
2. a conda token: `/t/<token>` anywhere in the path (PyPI's `/packages/source/t/<name>` is not one);
3. the whole query: presigned URLs have their signature there, under many names;

and in a text also the value of an `Authorization` header. A URL that could hold a password in the
wrong place (`https://user:pass/word@host`) is refused, and never shown.
"""

import re
from urllib.parse import SplitResult, urlsplit

from lading.errors import SpecError

HIDDEN = "***"

# A password may hold a raw `'`, and a backslash in an escaped text; the rest of a URL does not.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s\"<>/?#]*@)?[^\s'\"<>\\]+")
_TOKEN = re.compile(r"(?<!/packages/source)/t/([^/]+)")
_REQUEST = re.compile(r"(?<=url: )/\S+|(?<=GET )/\S+|(?<=HEAD )/\S+")
_HEADER = re.compile(
    r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?)(?:(basic|bearer|token)\s+)?[^\s'\",}]+"
)
_NOT_IN_URL = re.compile(r"[\s'\"<>\\]")


def redact(text: str) -> str:
    """`text` with all secrets removed from the URLs, request paths and headers in it."""
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _REQUEST.sub(lambda match: _plain_path(match[0].partition("?")[0]), text)
    return _URL.sub(
        lambda match: _plain(match[0]) or f"{match[0].partition(':')[0]}://{HIDDEN}", text
    )


def without_credentials(url: str) -> str:
    """`url` without what is secret in it; a text without `://` is returned as it is.

    Raises:
        SpecError: It cannot be told where the host begins. The message does not show the URL.
    """
    if "://" not in url:
        return url
    plain = _plain(url)
    if not plain:
        raise SpecError(
            "a URL is malformed (it is not shown, for it may hold a password)",
            hint="in a password write / as %2F, ? as %3F, # as %23, @ as %40, a space as %20",
        )
    return plain


def has_credentials(url: str) -> bool:
    """Whether `url` holds something that must not be written anywhere.

    Raises:
        SpecError: As of `without_credentials`.
    """
    return without_credentials(url) != url


def split_token(path: str) -> tuple[str, str, str]:
    """The parts of a URL's path: before `/t/<token>`, the token, after it; without one, `path`."""
    found = _TOKEN.search(path)
    return (path[: found.start()], found[1], path[found.end() :]) if found else (path, "", "")


def _plain(url: str) -> str:
    """`url` without what is secret in it; empty where it cannot be parsed."""
    try:
        parts = urlsplit(url)
        if parts.scheme.endswith("file"):
            return url
        if _NOT_IN_URL.search(url) or _is_ambiguous(parts):
            return ""
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, path=_plain_path(parts.path), query="").geturl()


def _plain_path(path: str) -> str:
    while True:
        before, token, after = split_token(path)
        if not token:
            return path
        path = before + after


def _is_ambiguous(parts: SplitResult) -> bool:
    """Whether an `@` after the host may end a password with a raw `/`, `?` or `#`."""
    port = parts.port
    if "@" not in parts.path + parts.query + parts.fragment:
        return False
    host, known = parts.hostname or "", "@" in parts.netloc
    is_host = "." in host or ":" in host or host == "localhost"
    # The password of `https://user:/word@host` stands where a port would, which may be empty.
    if port is not None or parts.netloc.endswith(":"):
        return known or not is_host
    return not host or (known and not is_host)
