"""Many directories shown as one."""

from pathlib import Path

import pytest

from lading.node.host import in_child, overlay_refusal
from lading.node.namespace import own_mounts
from lading.node.overlay import MOST_LAYERS, mount_overlay


def shown(root: Path, layers: list[Path]) -> list[str]:
    """What a process sees in the mount: names, which layer is on top, and what is left of it."""
    place, scratch = root / "place", root / "scratch"
    place.mkdir()
    scratch.mkdir()

    def work() -> str:
        own_mounts(user=True)
        mount_overlay(layers, place, scratch)
        names = " ".join(sorted(path.name for path in place.iterdir()))
        mode = f"{place.stat().st_mode:o}"
        return "\n".join(
            [names, (place / "same").read_text(), mode, str(len([*scratch.iterdir()]))]
        )

    answer = in_child(work)
    if overlay_refusal():
        pytest.skip(f"no overlay here: {answer}")
    return answer.split("\n")


def made(root: Path, number: int) -> list[Path]:
    """Directories with a file of their own and one that all have."""
    result = [root / "layers" / f"{index:05}" for index in range(number)]
    for path in result:
        path.mkdir(parents=True)
        (path / path.name).touch()
        (path / "same").write_text(path.name)
    return result


@pytest.mark.parametrize("number", [2, MOST_LAYERS, MOST_LAYERS + 1, 2 * MOST_LAYERS + 7])
def test_all_are_seen_and_the_first_wins(tmp_path: Path, number: int) -> None:
    """However many there are: more than the kernel takes at once are merged."""
    layers = made(tmp_path, number)
    names, same, _, left = shown(tmp_path, layers)
    expected = " ".join([*(path.name for path in layers), "same"])
    assert (expected, "00000", "0") == (names, same, left)


def test_of_a_directory_the_first_mode_counts(tmp_path: Path) -> None:
    """What lies in front says it."""
    layers = made(tmp_path, 3)
    for path, mode in zip(layers, (0o755, 0o700, 0o750), strict=True):
        path.chmod(mode)
    assert "40755" == shown(tmp_path, layers)[2]


def test_a_layer_that_is_missing(tmp_path: Path) -> None:
    """Nothing is mounted."""
    layers = made(tmp_path, 2)
    answer = shown(tmp_path, [*layers, tmp_path / "missing"])
    assert ["No such file or directory"] == answer
