"""From frames to an installer: one file that needs `sh`, `tar` and `gzip`.

It is a script of fixed text, into which the facts of the environment are written, with the bytes
of the `tar.gz` behind it. So it is the same whenever the tarball is, and `tail` gives that back.
"""

from dataclasses import replace
from pathlib import Path

from lading.format import Format, render_manifest
from lading.pack.output import HashedOutput
from lading.pack.packer import Packed, PackPlan, PackRequest, apply_pack, plan_pack
from lading.system import Progress, no_progress

INSTALLER_SUFFIX = "sh"

_TEMPLATE = Path(__file__).parent / "scripts/installer.sh"
_START_DIGITS = 6
_BLOCK_BYTES = 4096


def plan_installer(request: PackRequest) -> PackPlan:
    """What making an installer takes; nothing is written.

    Args:
        request: What to pack; its format does not matter.

    Returns:
        The plan of the tarball in it, whose outputs are those of the installer.

    Raises:
        UsageError: The platform is one whose environments cannot be packed.
    """
    plan = plan_pack(replace(request, format=Format.GZIP))
    name = plan.tarball.name.removesuffix(str(Format.GZIP)) + INSTALLER_SUFFIX
    return replace(plan, tarball=plan.tarball.with_name(name))


def apply_installer(plan: PackPlan, progress: Progress = no_progress) -> Packed:
    """Make the installer: afterwards it, its bill and its checksums are there and complete.

    Raises:
        IntegrityError: A file in the package cache is not what its package says.
        OutputError: The outputs cannot be written.
    """
    with plan.staged() as staging, HashedOutput.opened(staging.stream.fileno()) as output:
        # The directory of the spool is locked already, and that of outputs will be.
        inner = plan_pack(replace(plan.request, directory=staging.spool / "tarball"))
        packed = apply_pack(inner, progress)
        output.write(_header(packed, plan.tarball.name))
        with inner.tarball.open("rb") as tarball:
            output.copy(tarball.fileno(), packed.size)
        packed = replace(packed, plan=plan, size=output.position, sha256=output.finish())
        staging.publish(packed.sha256, render_manifest(packed.manifest), mode=0o755)
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
