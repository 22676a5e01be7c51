"""`lading.graph.dependencies`: the order of installation."""

import itertools
from pathlib import Path

from lading.conda.records import RepodataRecord
from lading.graph.dependencies import topological_order
from simulators.channel import ChannelSimulator, Package


def _records(tmp_path: Path, **depends: tuple[str, ...]) -> list[RepodataRecord]:
    channel = ChannelSimulator(tmp_path)
    for name, needed in depends.items():
        channel.add(Package(name=name, depends=needed))
    return list(channel.records())


def test_dependencies_come_first(tmp_path: Path) -> None:
    """What is needed stands before what needs it; among the ready, the smallest name first."""
    records = _records(tmp_path, a=("c >=1", "__glibc >=2.17"), b=(), c=("z",), z=())
    assert [record.name for record in topological_order(records)] == ["b", "z", "c", "a"]


def test_order_depends_on_the_set_alone(tmp_path: Path) -> None:
    """Any order of the records, cycles among them, gives the same result."""
    records = _records(tmp_path, a=("b",), b=("c",), c=("b", "d"), d=())
    results = {topological_order(order) for order in itertools.permutations(records)}
    assert len(results) == 1
    assert [record.name for record in results.pop()] == ["d", "b", "c", "a"]


def test_python_leads_its_cycle(tmp_path: Path) -> None:
    """Python stands before the packages that it needs and that need it: they go into its tree."""
    records = _records(
        tmp_path, pip=("python", "setuptools"), python=("pip",), setuptools=("python",)
    )
    assert [item.name for item in topological_order(records)] == ["python", "setuptools", "pip"]


def test_dependency_on_itself(tmp_path: Path) -> None:
    """A package that names itself is not a cycle."""
    assert [item.name for item in topological_order(_records(tmp_path, a=("a",)))] == ["a"]


def test_nothing() -> None:
    """No records, no order."""
    assert topological_order([]) == ()
