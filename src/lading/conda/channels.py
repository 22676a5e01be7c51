"""Channels and their mirrors.

A channel is known by its canonical URL everywhere: in locks, prefix records, manifests. The mirror
map says where its bytes are fetched from; it is applied when reading and never reaches a file.

Source: CEP 26 (channels).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NewType
from urllib.parse import quote, unquote, urlsplit

from lading.conda.names import Platform
from lading.system import has_credentials, without_credentials

ChannelUrl = NewType("ChannelUrl", str)
"""Base URL of a channel, without trailing slash and without credentials."""

IN_PROJECT = "file:./"
"""How the canonical URL of what lies in the project itself begins."""

DEFAULTS = "defaults"
DEFAULT_CHANNELS = "https://repo.anaconda.com/pkgs"
"""Where the channels lie that conda calls `defaults`."""

DEFAULT_ALIAS = "https://conda.anaconda.org"


def canonical_channel(name: str, alias: str = DEFAULT_ALIAS) -> ChannelUrl:
    """The canonical URL of the channel that a user wrote as `name` (a name or a URL)."""
    text = name.strip().rstrip("/")
    if "://" not in text and not text.startswith(IN_PROJECT):
        text = f"{alias}/{text}"
    return ChannelUrl(text)


def channel_urls(
    name: str, platform: Platform, directory: Path = Path(), root: Path = Path()
) -> tuple[ChannelUrl, ...]:
    """The canonical URLs of what a user wrote as `name`: several for `defaults`, as conda has it.

    `name` may be a path that begins with `./`, `../` or `/`. It is relative to `directory`; a
    channel below the project, `root`, is known by its place there. Both are absolute.
    """
    text = name.strip().rstrip("/")
    if text == DEFAULTS:
        parts = ("main", "r", "msys2") if platform.is_windows else ("main", "r")
        return tuple(ChannelUrl(f"{DEFAULT_CHANNELS}/{part}") for part in parts)
    if not text.startswith((".", "/")) or text.startswith(IN_PROJECT):
        return (canonical_channel(text),)
    place = Path(os.path.normpath(directory / text))
    if place.is_relative_to(root):
        return (ChannelUrl(IN_PROJECT + quote(place.relative_to(root).as_posix())),)
    return (ChannelUrl(place.as_uri()),)


def default_channel_of(name: str) -> ChannelUrl:
    """The one of the `defaults` that has the package `name`, as `defaults::NAME` asks for it."""
    is_for_r = name in {"r", "_r-mutex", "rstudio"} or name.startswith("r-")
    return ChannelUrl(f"{DEFAULT_CHANNELS}/{'r' if is_for_r else 'main'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What opens the URLs of a host. It shows in no `repr`, so that no log line holds it.

    Attributes:
        host: Host, with or without port; `*.example.org` means all below it.
        path: Begin of the paths it is for, without trailing slash; may be empty.
        userinfo: `user:password`, percent-encoded; or empty.
        token: Comes as `/t/<token>` in the path, after `mount`; or empty.
        mount: Begin of the path that stands before the token; mostly empty.
        bearer: Comes in a header, `Authorization: Bearer <bearer>`, and in no URL; or empty.
    """

    host: str
    path: str = ""
    userinfo: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    mount: str = ""
    bearer: str = field(default="", repr=False)

    def opens(self, url: str) -> bool:
        """Whether `url`, without credentials, is one that it is for."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"}:
            return False
        hosts = {parts.netloc, parts.hostname}
        below = self.host.startswith("*.") and (parts.hostname or "").endswith(self.host[1:])
        inside = parts.path == self.path or parts.path.startswith(f"{self.path}/")
        return (self.host in hosts or below) and inside

    def put_into(self, url: str) -> str:
        """`url` with the credential in it, if it is one that goes there."""
        parts = urlsplit(url)
        netloc = f"{self.userinfo}@{parts.netloc}" if self.userinfo else parts.netloc
        path = parts.path
        if self.token:
            path = f"{self.mount}/t/{self.token}{path.removeprefix(self.mount)}"
        return parts._replace(netloc=netloc, path=path).geturl()


@cache
def _plain(mirror: str) -> str:
    """How the URLs begin that a server gives of what lies on it: without credentials."""
    return without_credentials(mirror).rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorMap:
    """Where the bytes of canonical URLs are fetched from.

    Attributes:
        mirrors: Canonical base URL → base URLs to try, in order (http, https or file). Where a
            base URL has mirrors, only these are asked, not the canonical one.
        credentials: Put into locations that have none; the first that fits.
        project: `file:` URL of the directory that `file:./PATH` is relative to, without trailing
            slash; or empty.
    """

    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    credentials: tuple[Credential, ...] = ()
    project: str = ""

    def locations(self, url: str) -> tuple[str, ...]:
        """The URLs to try for the canonical `url`, in order; itself where no mirror is known."""
        base = self._base_of(url)
        if base is None and self.project and url.startswith(IN_PROJECT):
            return (f"{self.project}/{quote(unquote(url.removeprefix(IN_PROJECT)))}",)
        if base is None:
            return (self._opened(url),)
        rest = url[len(base) :]
        return tuple(self._opened(mirror.rstrip("/") + rest) for mirror in self.mirrors[base])

    def bearer(self, url: str) -> str:
        """The token that a server demands in a header for `url`, a location; or empty.

        A location that holds a credential of its own needs no other.
        """
        if has_credentials(url):
            return ""
        return next((item.bearer for item in self.credentials if item.opens(url)), "")

    def canonical(self, url: str) -> str:
        """The canonical form of a URL that may lie on a mirror."""
        for base, mirrors in self.mirrors.items():
            # What is read from a server may or may not have the credentials of the request.
            for prefix in (it for mirror in mirrors for it in (mirror.rstrip("/"), _plain(mirror))):
                if url == prefix or url.startswith(prefix + "/"):
                    return base.rstrip("/") + url[len(prefix) :]
        return url

    def _opened(self, url: str) -> str:
        """`url` with the credential for it, unless it has one."""
        if not self.credentials or has_credentials(url):
            return url
        for credential in self.credentials:
            if credential.opens(url):
                return credential.put_into(url)
        return url

    def _base_of(self, url: str) -> str | None:
        """The longest key that `url` lies under."""
        found = [
            base
            for base in self.mirrors
            if url == base.rstrip("/") or url.startswith(base.rstrip("/") + "/")
        ]
        return max(found, key=len, default=None)
