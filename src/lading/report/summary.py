"""What a command did, for people and for programs."""

from lading.install import Installed, PrefixContents, packages_with_scripts
from lading.lock import Lockfile
from lading.pack import Packed
from lading.report.document import Answer
from lading.report.terminal import one_line


def megabytes(size: int) -> str:
    """`size` in bytes as megabytes (10^6 bytes), for a person."""
    return f"{size / 1e6:.1f} MB"


def category_fields(lock: Lockfile) -> dict[str, object]:
    """The fields of JSON documents that say which categories were chosen, and how much was not."""
    return {"categories": lock.chosen, "left_out": len(lock.left_out)}


def render_installed(installed: Installed) -> Answer:
    """One line: what was installed and where; then what was clobbered."""
    record = installed.record
    verb = "installed" if installed.moved is None else "updated"
    first = (
        f"{verb} {record.environment} for {record.platform}:"
        f" {len(record.extracted)} conda packages,"
        f" {len(record.files)} files, by {record.engine}, in {record.prefix}"
    )
    if installed.moved is not None:
        total = len(installed.contents.payloads) - 1
        first += f"; updated in place, {installed.moved} of {total} packages moved"
    notes = render_notes(installed.contents, link_scripts=record.link_scripts)
    return Answer(
        f"{first}\n{notes}",
        "install/1",
        environment=record.environment,
        platform=record.platform,
        prefix=record.prefix,
        lock=f"sha256:{record.lock}",
        engine=record.engine,
        packages=len(installed.contents.payloads) - 1,
        **category_fields(installed.plan.lockfile),
        files=len(record.files),
        moved=installed.moved,
        clobbered=dict(installed.contents.clobbered),
        link_scripts={
            "ran": record.link_scripts,
            "packages": list(packages_with_scripts(installed.contents)),
        },
    )


def render_notes(contents: PrefixContents, *, link_scripts: bool) -> str:
    """A line for each path that was clobbered, and one for link scripts that did not run."""
    lines = [
        f"warning: {one_line(path)} is owned by {', '.join(owners)}; the last of them has it\n"
        for path, owners in contents.clobbered.items()
    ]
    scripted = packages_with_scripts(contents)
    if scripted and not link_scripts:
        lines.append(
            f"warning: {', '.join(scripted)} would run a script when linked, and did not;"
            " --link-scripts lets them\n"
        )
    return "".join(lines)


def render_packed(packed: Packed, lock: Lockfile) -> Answer:
    """The tarball, its size and contents, and its digest."""
    manifest = packed.manifest
    longest = manifest.requirements.longest_prefix
    limit = f"prefix at most {longest} bytes" if longest is not None else "any prefix"
    if manifest.requirements.prefix:
        limit = f"at {manifest.requirements.prefix}"
    return Answer(
        f"packed {packed.plan.tarball}\n"
        f"  {megabytes(packed.size)} of {megabytes(manifest.size)}, {manifest.files} files,"
        f" {len(manifest.packages) - 1} packages, {limit}\n"
        f"  sha256:{packed.sha256.hex}\n",
        "pack/1",
        environment=manifest.environment,
        platform=manifest.platform,
        tarball=str(packed.plan.tarball),
        manifest=str(packed.plan.manifest),
        size=packed.size,
        sha256=packed.sha256.hex,
        manifest_sha256=packed.manifest_sha256.hex,
        files=manifest.files,
        packages=len(manifest.packages) - 1,
        **category_fields(lock),
        longest_prefix=longest,
    )
