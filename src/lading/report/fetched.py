"""What was fetched, for people and for programs."""

from lading.engine import BootstrapPlan
from lading.install import InstallPlan, Mirrored
from lading.report.document import render_json
from lading.report.summary import category_fields


def render_bootstrap(plan: BootstrapPlan) -> str:
    """One line: what there is now."""
    how = "is there already" if plan.is_current else "is ready"
    return f"micromamba {how}, {plan.sha256}\n"


def render_bootstrap_json(plan: BootstrapPlan) -> str:
    """The same as a JSON document."""
    return render_json(
        "bootstrap/1",
        executable=str(plan.target),
        sha256=plan.sha256.hex,
        was_current=plan.is_current,
    )


def render_fetched(plan: InstallPlan) -> str:
    """One line: how much is on this machine now."""
    return (
        f"all {len(plan.downloads)} archives and wheels of {plan.environment} for"
        f" {plan.lockfile.platform} are here and right\n"
    )


def render_fetched_json(plan: InstallPlan) -> str:
    """The same as a JSON document."""
    return render_json(
        "fetch/1",
        environment=plan.environment,
        platform=str(plan.lockfile.platform),
        **category_fields(plan.lockfile),
        files=[{"name": item.target.name, "sha256": item.digest.hex} for item in plan.downloads],
    )


def render_mirrored(mirrored: Mirrored) -> str:
    """One line: what the mirror holds; then the lines of a configuration that reads from it."""
    wheels = f" and holds {len(mirrored.wheels)} wheels" if mirrored.wheels else ""
    lines = [f"{mirrored.directory} is a channel of {len(mirrored.archives)} packages{wheels}"]
    lines += ["to install from it, have in lading.toml:", "[mirrors]"]
    lines += [f'"{base}" = ["{place}"]' for base, place in mirrored.bases.items()]
    return "\n".join(lines) + "\n"


def render_mirrored_json(mirrored: Mirrored) -> str:
    """The same as a JSON document."""
    return render_json(
        "mirror/1",
        directory=str(mirrored.directory),
        archives=list(mirrored.archives),
        wheels=list(mirrored.wheels),
        mirrors={base: [str(place)] for base, place in mirrored.bases.items()},
    )
