"""How conda-lock's Poetry asks package indexes: with tokens, for wheels, none of them too new.

Poetry has no settings for that, so some of its methods are replaced: the process is lading's alone.
"""

import datetime as dt
from typing import Never
from urllib.parse import urljoin

import requests
from conda_lock._vendor.poetry.repositories.exceptions import PackageNotFoundError
from conda_lock._vendor.poetry.repositories.http_repository import HTTPRepository
from conda_lock._vendor.poetry.repositories.legacy_repository import LegacyRepository
from conda_lock._vendor.poetry.repositories.link_sources.html import HTMLPage
from conda_lock._vendor.poetry.repositories.link_sources.json import SimpleJsonPage

from lading.conda import Credential, MirrorMap
from lading.errors import SpecError
from lading.system import without_credentials

HTTP_NOT_FOUND = 404


def refuse_source_distributions() -> None:
    """Make Poetry fail where only a source distribution could tell what a package needs.

    It would build it, and so run code from the index at lock time; and what is built on a node has
    no digest to lock.
    """

    def refuse(_repository: object, link: object) -> Never:
        file_name = str(getattr(link, "filename", link))
        raise SpecError(
            f"only wheels can be locked, and the index has only {file_name}",
            hint="let lading build a wheel of it, which runs its code, with --build-sdists; or lock"
            " it with conda",
        )

    HTTPRepository._get_info_from_sdist = refuse  # noqa: SLF001


def hide_newer_files(moment: str) -> None:
    """Hide the files of indexes from Poetry that were uploaded after `moment` (ISO 8601).

    Indexes say the time only in their JSON pages (PEP 700), and Poetry asks only PyPI for these.
    """
    limit = dt.datetime.fromisoformat(moment)
    read_page = SimpleJsonPage.__init__

    def without_newer(page: object, url: str, content: dict[str, object]) -> None:
        files = content.get("files")
        kept = [item for item in files if _is_old(item, limit)] if isinstance(files, list) else []
        read_page(page, url, {**content, "files": kept})

    def refuse(_page: object, url: str, _content: str) -> Never:
        raise SpecError(
            f"the index does not say when its files were uploaded: {without_credentials(url)}",
            details=("--exclude-newer needs an index with JSON pages (PEP 700), as PyPI has them",),
        )

    def json_page(repository: LegacyRepository, name: str) -> SimpleJsonPage:
        url, content = _json_page(repository, name)
        return SimpleJsonPage(url, content) if content is not None else refuse(None, url, "")

    SimpleJsonPage.__init__ = without_newer
    HTMLPage.__init__ = refuse
    LegacyRepository._get_page = json_page  # noqa: SLF001


def _is_old(item: dict[str, object], limit: dt.datetime) -> bool:
    uploaded = item.get("upload-time")
    return isinstance(uploaded, str) and dt.datetime.fromisoformat(uploaded) <= limit


def _json_page(repository: LegacyRepository, name: str) -> tuple[str, dict[str, object] | None]:
    """The URL of a package's page in an index, and its content; None where it is not JSON.

    Source: PEP 691 (JSON pages): URLs may be relative, digests stand beside them.
    """
    url = f"{repository.url}/{name}/"
    answer = repository.session.get(
        url, raise_for_status=False, headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    if answer.status_code == HTTP_NOT_FOUND:
        raise PackageNotFoundError(f"Package [{name}] not found.")
    answer.raise_for_status()
    if "json" not in answer.headers.get("Content-Type", ""):
        return url, None
    content = answer.json()
    for item in content.get("files", []):
        sha256 = item.get("hashes", {}).get("sha256", "")
        item["url"] = urljoin(answer.url, item["url"]) + (f"#sha256={sha256}" if sha256 else "")
    return url, content


def send_bearer_tokens(credentials: tuple[Credential, ...]) -> None:
    """Let every request bear the token of its server; Poetry knows passwords alone."""
    known, send = MirrorMap(credentials=credentials), requests.Session.send

    def bearing(
        session: requests.Session, request: requests.PreparedRequest, **options: object
    ) -> requests.Response:
        token = known.bearer(request.url or "")
        if token:
            request.headers.setdefault("Authorization", f"Bearer {token}")
        return send(session, request, **options)

    requests.Session.send = bearing  # type: ignore[method-assign, assignment]  # on purpose
