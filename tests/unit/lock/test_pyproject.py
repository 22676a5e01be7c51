"""`lading.lock.pyproject`: what conda-lock would not explain."""

from pathlib import Path

import pytest

from lading.errors import SpecError
from lading.lock.pyproject import check_pyproject

POETRY = '[build-system]\nbuild-backend = "poetry.core.masonry.api"\n[tool.poetry.dependencies]\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[project]\nname = "x"\n', "has no `dependencies` under"),
        ('[build-system]\nbuild-backend = "hatchling.build"\n', "has no `dependencies` under"),
        ('[project]\ndependencies = "a"\n', "project.dependencies: expected a list, got a text"),
        ('[project]\ndependencies = ["a >"]\n', "a >"),
        (
            "[project]\ndependencies = []\n[project.optional-dependencies]\ndev = 'pytest'\n",
            "expected a list, got a text",
        ),
        (
            "[project]\ndependencies = []\n[tool.conda-lock.dependencies]\npython = 3\n",
            "expected a text or a table, got a number",
        ),
        (
            "[project]\ndependencies = []\n[tool.conda-lock]\nchannels = 'x'\n",
            "tool.conda-lock.channels: expected a list, got a text",
        ),
        (POETRY + "a = {git = 'https://host.invalid/a.git'}\n", "a `git` has no digest"),
        (POETRY + "a = {path = '../a'}\n", "a `path` has no digest"),
    ],
)
def test_refused(tmp_path: Path, text: str, reason: str) -> None:
    """What would end in a traceback, or be left out silently, is refused with its place."""
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        check_pyproject(path)
    assert caught.value.message.startswith(str(path))
    assert reason in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        '[project]\ndependencies = ["a >=1", "b; python_version > \'3\'", "c @ https://host.invalid/c"]\n',
        POETRY + 'python = "^3.11"\na = {version = "^1", extras = ["x"]}\nb = [{version = "1"}]\n',
        "[project]\ndependencies = []\n[tool.conda-lock.dependencies]\na = {source = 'pypi'}\n",
    ],
)
def test_sound(tmp_path: Path, text: str) -> None:
    """What conda-lock reads is left to it."""
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    check_pyproject(path)
