"""The complete list of what a tarball holds, for programs."""

from collections.abc import Sequence

import msgspec

from lading.conda import Kind
from lading.format import Bill, PackageContents
from lading.report.document import render_json

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})


def render_listing_json(bill: Bill, packages: Sequence[PackageContents]) -> str:
    """The packages with all their files, as JSON."""
    manifest = bill.manifest
    return render_json(
        "manifest/1",
        environment=manifest.environment,
        platform=manifest.platform,
        lock=f"sha256:{manifest.lock}",
        manifest_sha256=bill.digest.hex,
        packages=[_package(item) for item in packages],
    )


def _package(item: PackageContents) -> dict[str, object]:
    package = item.package
    return {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "manager": package.manager,
        "url": package.url,
        "sha256": package.sha256,
        "license": package.license,
        "list_sha256": package.listed.sha256,
        "mtime": item.mtime,
        "files": msgspec.to_builtins(item.files),
    }


def render_listing_sums(packages: Sequence[PackageContents]) -> str:
    """Lines of digest and path, as `sha256sum -c` reads them; links have no digest.

    Source: GNU coreutils, `sha256sum`: a line of an odd name begins with a backslash.
    """
    files = [item for package in packages for item in package.files if item.type is Kind.FILE]
    return "".join(_line(item.sha256, item.path) for item in files)


def _line(digest: str, path: str) -> str:
    escaped = path.translate(_ESCAPES)
    return f"{'' if escaped == path else chr(92)}{digest}  {escaped}\n"
