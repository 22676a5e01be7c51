"""SHA-256 for archives of which a lock has the MD5 alone: they are fetched once, and remembered."""

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lading.conda import MirrorMap
from lading.errors import LockError
from lading.install.extracted import with_private_cache
from lading.install.layout import BuildTree
from lading.install.package_cache import prepare_cache
from lading.lock import Unusable
from lading.net import Download, Network, fetch_all
from lading.system import Digest, decode_json, sha256_of_file, write_atomically

_log = logging.getLogger(__name__)


def sha256_by_md5(
    wanted: Sequence[Unusable], tree: BuildTree, mirrors: MirrorMap, network: Network
) -> dict[Digest, Digest]:
    """MD5 → SHA-256 of the archives in `wanted` that have an MD5.

    What was never seen is fetched into the package cache, and compared with its MD5.

    Raises:
        FetchError: An archive cannot be fetched.
        DigestMismatchError: It has another MD5.
    """
    tree = with_private_cache(tree)
    table = tree.state / "sha256-by-md5.json"
    known = _read(table)
    missing = [item for item in wanted if item.md5 is not None and item.md5 not in known]
    if missing:
        _log.warning("%d archives have an md5 alone: they are fetched once", len(missing))
        prepare_cache(tree)
        downloads = [_download(item, tree) for item in missing]
        fetch_all(downloads, mirrors, network=network)
        known |= {item.digest: sha256_of_file(item.target) for item in downloads}
        content = {md5.hex: sha256.hex for md5, sha256 in sorted(known.items())}
        write_atomically(table, msgspec.json.format(msgspec.json.encode(content)))
    return known


def _download(item: Unusable, tree: BuildTree) -> Download:
    name = item.url.rpartition("/")[2]
    if item.md5 is None or not name.endswith((".conda", ".tar.bz2", ".whl")):
        raise LockError(
            f"{item.name} has no sha256, and {item.url} is not an archive",
            hint="lock it again with its tool",
        )
    place = tree.wheel_cache if name.endswith(".whl") else tree.package_cache
    return Download(url=item.url, digest=item.md5, target=place / name)


def _read(table: Path) -> dict[Digest, Digest]:
    try:
        found = decode_json(table.read_bytes(), dict[str, str])
        return {Digest.md5(md5): Digest.sha256(sha256) for md5, sha256 in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("%s is damaged and made again: %s", table, error)
        return {}
