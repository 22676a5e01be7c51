"""The ways of bringing an image to a program: their order, and why one is not taken."""

import os
from pathlib import Path

import pytest

from lading.errors import PrefixError, UsageError
from lading.format.image import Image, Label
from lading.format.manifest import Requirements
from lading.format.relocation import State, render_state
from lading.node.delivery import How, deliveries, promise_of
from lading.node.host import in_child
from lading.node.keeper import Delivery, Refused
from lading.node.mounting import enter_image, mount_image, surroundings
from lading.node.namespace import own_mounts

BILL = "0" * 64


def image(prefix: Path) -> Image:
    """An image that nobody has; only its label matters."""
    label = Label(
        environment="sample",
        platform="linux-64",
        prefix=str(prefix),
        manifest=BILL,
        size=4096,
        unpacked=1,
        files=1,
        requirements=Requirements(prefix=str(prefix)),
    )
    return Image(path=Path("/nowhere.sqsh"), label=label, identity="1")


def reasons(variables: dict[str, str]) -> dict[str, str]:
    """Name → why it need not be tried, of each way that need not."""
    found = {}
    for item in deliveries(image(Path("/p")), variables):
        try:
            item.check()
        except Refused as refusal:
            found[item.name] = str(refusal)
    return found


def test_the_order() -> None:
    """The fastest first; unpacking is what is left."""
    ways = [item.name for item in deliveries(image(Path("/p")), {})]
    assert [name for name in How if name != How.OVERLAY] == ways


def test_one_way_only(tmp_path: Path) -> None:
    """Only the way that is named is tried; a way that no image can take is refused."""
    variables = {"PATH": str(tmp_path), "TMPDIR": str(tmp_path)}
    with pytest.raises(PrefixError) as caught:
        enter_image(image(Path("/p")), variables, How.FUSE)
    assert ["fuse"] == [line.partition(":")[0] for line in caught.value.details]
    with pytest.raises(UsageError, match="overlay"):
        enter_image(image(Path("/p")), variables, How.OVERLAY)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """Each reason names the program, and the package that has it."""
    found = reasons({"PATH": str(tmp_path)})
    assert (
        "there is no squashfuse_ll (package squashfuse)",
        "there is no apptainer",
        "there is no unsquashfs (package squashfs-tools)",
    ) == (found["namespace"], found["apptainer"], found["unpack"])


def way(name: How, variables: dict[str, str]) -> Delivery:
    """The way of this name."""
    [found] = [item for item in deliveries(image(Path("/p")), variables) if item.name == name]
    return found


def apptainer(directory: Path, script: str) -> dict[str, str]:
    """Variables of a machine with a program that stands in for Apptainer."""
    program = directory / "apptainer"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{directory}:/usr/bin:/bin"}


def test_apptainer_is_tried(tmp_path: Path) -> None:
    """It is asked to look into the image; only then it stands before the program.

    Its container shows what the host has, below a root that Apptainer accepts.
    """
    variables = apptainer(tmp_path, f'echo "$@" > {tmp_path}/asked')
    prefix = Path("/usr/p")
    [asked] = [it for it in deliveries(image(prefix), variables) if it.name == How.APPTAINER]
    place = asked.deliver(tmp_path)
    program, *words, bound, root = place.wrapper
    assert (f"{tmp_path}/apptainer", ["--silent", "exec"]) == (program, words[:2])
    assert {"--bind=/usr/bin", "--bind=/etc"} <= {*words}
    assert not {"--bind=/usr", "--bind=/proc", "--bind=/"} & {*words}
    assert ("--bind=/nowhere.sqsh:/usr/p:image-src=/", f"{tmp_path}/root") == (bound, root)
    assert all((tmp_path / name).is_dir() for name in ("root/usr/p", "root/proc", "root/etc"))
    probe = " ".join([*place.wrapper[1:], "test -e /usr/p/conda-meta/lading/state.json\n"])
    assert probe == (tmp_path / "asked").read_text()


def test_apptainer_that_cannot(tmp_path: Path) -> None:
    """Its last words are the reason."""
    variables = apptainer(tmp_path, "echo no user namespaces >&2; exit 255")
    with pytest.raises(Refused, match="no user namespaces"):
        way(How.APPTAINER, variables).deliver(tmp_path)


def test_apptainer_wraps_the_program(tmp_path: Path) -> None:
    """No namespace is entered: it does all."""
    variables = {**apptainer(tmp_path, "exit 0"), "TMPDIR": str(tmp_path)}
    entered = enter_image(image(Path("/p")), variables, How.APPTAINER)
    assert ("apptainer", str(tmp_path / "apptainer")) == (entered.how, entered.wrapper[0])


def test_what_is_here_already(tmp_path: Path) -> None:
    """An environment with this very bill at its prefix is used as it is."""
    state = tmp_path / "conda-meta/lading/state.json"
    assert not promise_of(image(tmp_path)).is_here()
    state.parent.mkdir(parents=True)
    state.write_bytes(render_state(State(prefix=str(tmp_path), manifest="1" * 64)))
    assert not promise_of(image(tmp_path)).is_here()
    state.write_bytes(render_state(State(prefix=str(tmp_path), manifest=BILL)))
    assert "here" == enter_image(image(tmp_path), {}).how


def test_a_directory_needs_a_way_that_all_see(tmp_path: Path) -> None:
    """A namespace serves one program and its kin, no directory."""
    with pytest.raises(UsageError, match="namespace"):
        mount_image(image(tmp_path), tmp_path / "x", {}, How.NAMESPACE)


def test_a_directory_that_cannot_be_mounted(tmp_path: Path) -> None:
    """Every reason is told, and the directory that was made is gone."""
    with pytest.raises(PrefixError) as caught:
        mount_image(image(tmp_path), tmp_path / "x", {"PATH": str(tmp_path)})
    assert (["kernel", "fuse"], False) == (
        [line.partition(":")[0] for line in caught.value.details],
        (tmp_path / "x").exists(),
    )


def test_steps_do_not_share() -> None:
    """Each step of a job has a mount of its own; the processes of a step share theirs."""
    steps = [surroundings({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": step}) for step in "011"]
    assert (False, True) == (steps[0] == steps[1], steps[1] == steps[2])


def test_another_file_tree_does_not_share() -> None:
    """Who has a mount namespace of its own would see other files in the keeper's."""

    def elsewhere() -> str:
        own_mounts(user=os.geteuid() != 0)
        return " ".join(surroundings({}))

    answer = in_child(elsewhere)
    if not answer.startswith("mnt:"):
        pytest.skip(f"no mount namespace here: {answer}")
    assert " ".join(surroundings({})) != answer
