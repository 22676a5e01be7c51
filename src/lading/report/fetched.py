"""What was fetched, for people and for programs."""

from lading.engine import BootstrapPlan
from lading.install import InstallPlan, Mirrored
from lading.report.document import Answer
from lading.report.summary import category_fields


def render_bootstrap(plan: BootstrapPlan) -> Answer:
    """One line: what there is now."""
    how = "is there already" if plan.is_current else "is ready"
    return Answer(
        f"micromamba {how}, {plan.sha256}\n",
        "bootstrap/1",
        executable=str(plan.target),
        sha256=plan.sha256.hex,
        was_current=plan.is_current,
    )


def render_fetched(plan: InstallPlan) -> Answer:
    """One line: how much is on this machine now."""
    return Answer(
        f"all {len(plan.downloads)} archives and wheels of {plan.environment} for"
        f" {plan.lockfile.platform} are here and right\n",
        "fetch/1",
        environment=plan.environment,
        platform=str(plan.lockfile.platform),
        **category_fields(plan.lockfile),
        files=[{"name": item.target.name, "sha256": item.digest.hex} for item in plan.downloads],
    )


def render_mirrored(mirrored: Mirrored) -> Answer:
    """One line: what the mirror holds; then the lines of a configuration that reads from it."""
    wheels = f" and holds {len(mirrored.wheels)} wheels" if mirrored.wheels else ""
    lines = [f"{mirrored.directory} is a channel of {len(mirrored.archives)} packages{wheels}"]
    lines += ["to install from it, have in lading.toml:", "[mirrors]"]
    lines += [f'"{base}" = ["{place}"]' for base, place in mirrored.bases.items()]
    return Answer(
        "\n".join(lines) + "\n",
        "mirror/1",
        directory=str(mirrored.directory),
        archives=list(mirrored.archives),
        wheels=list(mirrored.wheels),
        mirrors={base: [str(place)] for base, place in mirrored.bases.items()},
    )
