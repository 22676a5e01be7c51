"""Credentials of channels: where they are found, and how they get into a URL.

They are added to a URL when something is fetched, and never written. A bearer token does not go
into a URL: the client asks the mirror map for it (`MirrorMap.bearer`). Sources, of which the first
that fits wins:

1. a channel of an environment file or of `--channel`, `https://user:password@host/channel` or
   `https://host/t/<token>/channel`, where `$VARIABLE` and `${VARIABLE}` may stand for a secret;
2. the file that RATTLER_AUTH_FILE names (`BasicHTTP`, `BearerToken` and `CondaToken`);
3. `channel_alias` and `channels` of the file that CONDARC names, or of `~/.condarc`;
4. the file that NETRC names, or `~/.netrc`.

Source: rattler `authentication_storage/backends/file.rs`; conda's configuration; netrc(5).
"""

import json
import logging
import netrc
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from lading.conda import Credential, MirrorMap
from lading.errors import SpecError
from lading.system import YamlError, parse_yaml, read_document, split_token, without_credentials

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

_log = logging.getLogger(__name__)


def read_credentials(environment: Mapping[str, str]) -> tuple[Credential, ...]:
    """The credentials that lie on this machine, in order of priority.

    Args:
        environment: Looked up for RATTLER_AUTH_FILE, CONDARC, NETRC and HOME.

    Raises:
        SpecError: A file that a variable names cannot be read.
    """
    home = Path(environment.get("HOME") or "/nonexistent")
    found: list[Credential] = []
    named = environment.get("RATTLER_AUTH_FILE")
    if named:
        found += _of_rattler(Path(named))
    rc = environment.get("CONDARC")
    path = Path(rc) if rc else home / ".condarc"
    if path.is_file():
        found += channel_credentials(_condarc_channels(path), environment)
    rc = environment.get("NETRC")
    path = Path(rc) if rc else home / ".netrc"
    if path.is_file():
        found += _of_netrc(path)
    return tuple(found)


def opened_url(url: str, environment: Mapping[str, str], mirrors: MirrorMap) -> str:
    """A URL as it is asked: that of its mirror; else its own, variables replaced, with credentials.

    Raises:
        SpecError: A variable is not set.
    """
    if "://" not in url:
        return url
    plain = without_credentials(url)
    expanded, location = _expanded(url, plain, environment), mirrors.locations(plain)[0]
    return location if plain == url or without_credentials(location) != plain else expanded


def index_credentials(
    urls: Sequence[str], environment: Mapping[str, str]
) -> tuple[Credential, ...]:
    """The credentials that stand in the URLs of package indexes.

    They open the whole host, for the files of an index lie anywhere on it. Without its variable, a
    URL has none.
    """
    found = channel_credentials(urls, environment, lenient=True)
    return tuple(item if item.token else replace(item, path="") for item in found)


def channel_credentials(
    channels: Sequence[str], environment: Mapping[str, str], *, lenient: bool = False
) -> tuple[Credential, ...]:
    """The credentials that stand in the URLs of `channels`; variables in them are replaced.

    With `lenient`, a URL is passed over whose variable is not set.

    Raises:
        SpecError: A variable is not set.
    """
    found = []
    for channel in channels:
        plain = without_credentials(channel)
        if "://" in channel and plain != channel.rstrip("/") and plain != channel:
            try:
                parts = urlsplit(_expanded(channel, plain, environment))
            except SpecError as error:
                if not lenient:
                    raise
                _log.debug("no credential is taken from there: %s", error)
                continue
            bare = urlsplit(plain)
            mount, token, _ = split_token(parts.path)
            found.append(
                Credential(
                    host=bare.netloc,
                    path=bare.path.rstrip("/"),
                    userinfo=parts.netloc.rpartition("@")[0],
                    token=token,
                    mount=mount,
                )
            )
    return tuple(found)


def _expanded(channel: str, plain: str, environment: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in environment:
            raise SpecError(
                f"{plain} names the variable {name}, which is not set", hint=f"export {name}"
            )
        return environment[name]

    return _VARIABLE.sub(value, channel)


def _of_rattler(path: Path) -> Iterator[Credential]:
    try:
        content: object = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SpecError(
            f"cannot read the credentials in {path}", hint="correct RATTLER_AUTH_FILE"
        ) from error
    for host, kinds in content.items() if isinstance(content, dict) else ():
        for kind, value in kinds.items() if isinstance(kinds, dict) else ():
            plain = urlsplit(host if "://" in host else f"https://{host}")
            place = {"host": plain.netloc, "path": plain.path.rstrip("/")}
            if kind == "CondaToken":
                yield Credential(**place, token=str(value))
            elif kind == "BearerToken":
                yield Credential(**place, bearer=str(value))
            elif kind == "BasicHTTP" and isinstance(value, dict):
                name, word = str(value.get("username", "")), str(value.get("password", ""))
                yield Credential(**place, userinfo=_userinfo(name, word))
            else:
                _log.warning("credentials of the kind %s for %s are not used", kind, host)


def _condarc_channels(path: Path) -> list[str]:
    try:
        content = parse_yaml(read_document(path))
    except ImportError:
        _log.warning("%s needs PyYAML to be read; no credential is taken from it", path)
        return []
    except (OSError, YamlError):
        _log.warning("%s cannot be read; no credential is taken from it", path)
        return []
    if not isinstance(content, dict):
        return []
    channels = content.get("channels")
    texts = [content.get("channel_alias"), *(channels if isinstance(channels, list) else ())]
    return [text for text in texts if isinstance(text, str)]


def _of_netrc(path: Path) -> Iterator[Credential]:
    try:
        hosts = netrc.netrc(path).hosts
    except (OSError, netrc.NetrcParseError):
        _log.warning("%s cannot be read; no credential is taken from it", path)
        return
    for host, (login, _, password) in hosts.items():
        if host != "default":
            yield Credential(host=host, userinfo=_userinfo(login, password))


def _userinfo(name: str, password: str) -> str:
    return f"{quote(name, safe='')}:{quote(password, safe='')}"
