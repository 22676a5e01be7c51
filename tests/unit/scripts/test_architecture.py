"""The picture of the packages says what the code imports."""

from pathlib import Path

import networkx as nx
import pytest

from architecture import read_imports, render_picture


def write(root: Path, name: str, text: str) -> None:
    """A package of one module."""
    (root / name).mkdir()
    (root / name / "__init__.py").write_text(f'"""The package {name} & more."""\n{text}')


def made(root: Path) -> Path:
    """Three packages in a row; `top` imports the lowest one as well."""
    (root / "config.py").write_text('"""Settings."""\n')
    write(root, "low", "from lading.errors import LadingError\n")
    write(root, "middle", "from lading.low import a\n")
    write(root, "top", "def f():\n    from lading.middle import a\n    from lading.low import b\n")
    return root


def test_imports(tmp_path: Path) -> None:
    """Imports inside of functions count, modules that everybody may use do not."""
    expected = {("middle", "low"), ("top", "middle"), ("top", "low")}
    assert expected == set(read_imports(made(tmp_path)).edges)


def test_what_follows_is_left_out(tmp_path: Path) -> None:
    """Two arrows are drawn of the three."""
    picture = render_picture(made(tmp_path))
    assert (2, True) == (picture.count('class="arrow"'), "The package low &amp; more" in picture)


def test_a_circle_is_an_error(tmp_path: Path) -> None:
    """Packages that import each other cannot be drawn."""
    root = made(tmp_path)
    (root / "low/late.py").write_text("from lading.top import c\n")
    with pytest.raises((nx.NetworkXError, nx.NetworkXUnfeasible)):
        render_picture(root)
