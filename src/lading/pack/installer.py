"""From frames to an installer: one file that needs `sh`, `tar` and `gzip`.

It is a script of fixed text, into which the facts of the environment are written, with the bytes
of the `tar.gz` behind it. So it is the same whenever the tarball is, and `tail` gives that back.
"""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from lading.format import (
    CHECKSUMS_SUFFIX,
    MANIFEST_SUFFIX,
    Format,
    beside,
    render_manifest,
)
from lading.pack.packer import (
    Packed,
    PackPlan,
    PackRequest,
    apply_pack,
    output_errors,
    plan_pack,
    publish,
)
from lading.system import (
    Progress,
    is_temporary_of,
    no_progress,
    remove_stale_temporaries,
    sha256_of_file,
    temporary_directory,
    temporary_file,
)

INSTALLER_SUFFIX = "sh"

_TEMPLATE = Path(__file__).parent / "scripts/installer.sh"
_START_DIGITS = 6
_BLOCK_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallerPlan:
    """What making an installer will do.

    Attributes:
        pack: The tarball in it; its outputs are those of the installer.
    """

    pack: PackPlan


def plan_installer(request: PackRequest) -> InstallerPlan:
    """What making an installer takes; nothing is written.

    Args:
        request: What to pack; its format does not matter.

    Raises:
        UsageError: The platform is one whose environments cannot be packed.
    """
    plan = plan_pack(replace(request, format=Format.GZIP))
    name = plan.tarball.name.removesuffix(str(Format.GZIP)) + INSTALLER_SUFFIX
    installer = plan.tarball.with_name(name)
    return InstallerPlan(
        pack=replace(
            plan,
            tarball=installer,
            manifest=beside(installer, MANIFEST_SUFFIX),
            checksums=beside(installer, CHECKSUMS_SUFFIX),
        )
    )


def apply_installer(plan: InstallerPlan, progress: Progress = no_progress) -> Packed:
    """Make the installer: afterwards it, its bill and its checksums are there and complete.

    Raises:
        IntegrityError: A file in the package cache is not what its package says.
        OutputError: The outputs cannot be written.
    """
    outputs = (plan.pack.tarball, plan.pack.manifest, plan.pack.checksums)
    directory = plan.pack.tarball.parent
    with output_errors(plan.pack.tarball):
        directory.mkdir(parents=True, exist_ok=True)
        remove_stale_temporaries(directory, is_temporary_of(*(path.name for path in outputs)))
        with (
            temporary_directory(directory, plan.pack.tarball.name) as inner,
            temporary_file(directory, plan.pack.tarball.name) as (temporary, stream),
        ):
            # The temporary directory is locked already, and that of outputs will be.
            request = replace(plan.pack.request, directory=inner / "tarball")
            packed = apply_pack(plan_pack(request), progress)
            stream.write(_header(packed, plan.pack.tarball.name))
            with packed.plan.tarball.open("rb") as tarball:
                shutil.copyfileobj(tarball, stream)
            stream.flush()
            os.fsync(stream.fileno())
            size = stream.tell()
            packed = replace(packed, plan=plan.pack, size=size, sha256=sha256_of_file(temporary))
            publish(packed, temporary, render_manifest(packed.manifest))
            plan.pack.tarball.chmod(0o755)
    return packed


def _header(packed: Packed, file_name: str) -> bytes:
    """The script that stands before the tarball, which it begins to read at a byte it names."""
    manifest = packed.manifest
    bill = render_manifest(manifest)
    unpacked = manifest.size + len(bill) + manifest.files * _BLOCK_BYTES
    facts = {
        "NAME": manifest.environment,
        "PLATFORM": str(manifest.platform),
        "FILE": file_name,
        "PAYLOAD_SHA256": packed.sha256.hex,
        "MANIFEST_SHA256": packed.manifest_sha256.hex,
        "KILOBYTES": str(unpacked >> 10),
        "FILES": str(manifest.files),
        "LONGEST": str(manifest.requirements.longest_prefix or 0),
    }
    text = _TEMPLATE.read_text(encoding="utf-8")
    for name, fact in facts.items():
        text = text.replace(f"@{name}@", fact)
    start = len(text.encode()) - len("@START@") + _START_DIGITS + 1
    return text.replace("@START@", f"{start:<{_START_DIGITS}}").encode()
