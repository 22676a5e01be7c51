"""`lading.engine.conditional`: what a solution depends on, once conditions are decided."""

import pytest

from lading.conda.match_spec import parse_matchspec
from lading.conda.records import RepodataRecord
from lading.conda.virtual import VirtualPackage
from lading.engine.conditional import SolvedRecord, counts_in, decide, present_packages
from lading.errors import EngineFailedError
from simulators.records import record

UNIX = VirtualPackage("__unix", "0")


def built(name: str, *depends: str, build_number: int = 0) -> RepodataRecord:
    """A record of version 1.5."""
    return record(name, "1.5", "py312_0", build_number=build_number, sha256=None, depends=depends)


def solved(
    name: str, *depends: str, flags: tuple[str, ...] = (), **extras: tuple[str, ...]
) -> SolvedRecord:
    """A record of a solution."""
    return SolvedRecord(record=built(name, *depends), extra_depends=extras, flags=flags)


def dependencies(solution: list[SolvedRecord], *specs: str) -> dict[str, tuple[str, ...]]:
    """Name → what it depends on."""
    records, _ = decide(solution, specs, [UNIX])
    return {str(item.name): item.depends for item in records}


def test_conditions() -> None:
    """A dependency counts where its condition holds, and is written as any other."""
    solution = [
        solved(
            "a",
            "b >=1",
            'c[version=">=1,<2",when="__unix and b>=1.2"]',
            'd[when="__win"]',
            'e[when="b[flags=[cuda]]"]',
            "f[when=\"b[build_number='>=1']\"]",
            "g[build_number=0]",
        ),
        solved("b", flags=("blas:mkl",)),
    ]
    assert {"a": ("b >=1", "c >=1,<2", "g"), "b": ()} == dependencies(solution, "a")


def test_extras() -> None:
    """Groups are taken in where something that counts asks for them, and these ask for more."""
    solution = [
        solved("a", "b[extras=[one]]", test=("b", "c[extras=[x]]"), other=("never",)),
        solved("b", one=("d",), two=('e[when="__unix"]', 'f[when="__win"]')),
        solved("c", x=("b[extras=[two,absent]]", "a[extras=[test]]")),
    ]
    assert dependencies(solution, "a[extras=[test]]", 'a[extras=[other],when="__win"]') == {
        "a": ("b", "c"),
        "b": ("d", "e"),
        "c": ("b", "a"),
    }


def test_requests_that_count() -> None:
    """A request whose condition does not hold is none."""
    _, specs = decide([solved("a")], ["a", 'b[when="__win"]', 'a[when="__unix"]'], [UNIX])
    assert ("a", 'a[when="__unix"]') == specs


def test_what_cannot_be_understood() -> None:
    """A condition that nobody can read is not taken for false; other brackets are the solver's."""
    assert {"a": ("b[md5=abc]",)} == dependencies([solved("a", "b[md5=abc]")], "a")
    with pytest.raises(EngineFailedError, match="cannot be understood"):
        dependencies([solved("a", 'b[when="not c"]')], "a")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a>=1", True),
        ("a>=2", False),
        ("a[build='py312*']", True),
        ("a[build='py311*']", False),
        # A lock does not tell.
        ("a[flags=[cuda],build_number=7]", True),
        ("__unix", True),
        ("b", False),
    ],
)
def test_in_a_lock(condition: str, *, expected: bool) -> None:
    """A condition is looked at in an environment of which only a lock is known."""
    spec = parse_matchspec(f'x[when="{condition}"]')
    assert expected is counts_in(spec, present_packages([built("a")], [UNIX]))
