"""`lading.graph.dependency_graph`: why something is there."""

from lading.graph.dependency_graph import DependencyGraph

#   a -> b -> d -> e <-> f      c -> d      alone
GRAPH = DependencyGraph.of(
    {"a": ["b"], "b": ["d"], "c": ["d"], "d": ["e"], "e": ["f"], "f": ["e", "gone"], "alone": []},
    ["a", "c", "elsewhere"],
)


def test_chains() -> None:
    """Every shortest chain from each root, the shortest first."""
    assert GRAPH.shortest_chains("d") == (("c", "d"), ("a", "b", "d"))
    assert GRAPH.shortest_chains("a") == (("a",),)
    assert GRAPH.shortest_chains("alone") == ()


def test_chains_of_equal_length() -> None:
    """All of them, and none through another root."""
    diamond = DependencyGraph.of({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, ["a"])
    assert diamond.shortest_chains("d") == (("a", "b", "d"), ("a", "c", "d"))
    rooted = DependencyGraph.of({"a": ["b"], "b": ["d"], "d": []}, ["a", "b"])
    assert rooted.shortest_chains("d") == (("b", "d"),)


def test_cycles() -> None:
    """Names that need each other, or themselves."""
    assert GRAPH.cycles() == (("e", "f"),)
    assert DependencyGraph.of({"a": ["a"]}, []).cycles() == (("a",),)


def test_leaving() -> None:
    """What nobody else needs would leave."""
    assert GRAPH.leaving_without("a") == ("a", "b")
    assert GRAPH.leaving_without("c") == ("c",)
    assert DependencyGraph.of({"a": ["b"], "b": []}, ["a", "b"]).leaving_without("b") == ()


def test_around() -> None:
    """The part that leads to a name or that it needs."""
    assert sorted(GRAPH.around(["b"]).dependencies) == ["a", "b", "d", "e", "f"]
    assert GRAPH.around([]) is GRAPH


def test_depths() -> None:
    """The longest way to each; a cycle is one step."""
    assert GRAPH.depths() == {"a": 0, "c": 0, "alone": 0, "b": 1, "d": 2, "e": 3, "f": 3}
