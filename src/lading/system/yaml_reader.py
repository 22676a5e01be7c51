"""Read YAML from its events, within limits: the one place where lading parses YAML.

PyYAML composes recursively, expands aliases to hash them, and lets the last of two equal keys win.
Here values are made from libyaml's events directly: depth and number of nodes are counted before a
value is built, a key is a scalar and stands once, an alias costs what it stands for. It also takes
half the time of `yaml.CSafeLoader`.

PyYAML is imported when something is read: a node that only unpacks does not have it.
"""

# ruff: noqa: PLC0415  # see above

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

LARGEST = 32 << 20
"""Bytes of a document; the lockfile of 800 packages has 0.4 MB."""

DEEPEST = 64
"""Collections inside each other; a lockfile has four."""

MOST_NODES = 5_000_000
"""Scalars and collections, counting what an alias stands for; that lockfile has 30,000."""


LONGEST_VALUE = 1000
"""Characters of a number or a date: PyYAML reads `1:59:59:...` in quadratic time."""


_TAG = "tag:yaml.org,2002:"
_VALUES = frozenset(
    f"{_TAG}{name}" for name in ("bool", "int", "float", "null", "timestamp", "binary")
)

# What PyYAML ends with at the 30th of February, an infinite time, `!!int ''`, `!!timestamp soon`.
_NO_VALUE = (ValueError, OverflowError, LookupError, AttributeError)


class YamlError(ValueError):
    """A text is not YAML, or exceeds a limit; the message is one line and names the place."""


def read_document(path: Path) -> bytes:
    """The bytes of the text document at `path`.

    Raises:
        OSError: It cannot be read.
        YamlError: It is larger than a document may be.
    """
    with path.open("rb") as stream:
        data = stream.read(LARGEST + 1)
    _refuse_large(data)
    return data


def parse_yaml(data: bytes | str) -> object:
    """The value of the one YAML document `data`: dicts, lists, and scalars of YAML 1.1.

    Args:
        data: UTF-8 (or UTF-16 with a byte order mark) where it is bytes.

    Returns:
        None for an empty document. What several aliases stand for is one object.

    Raises:
        YamlError: It is not YAML, holds several documents, a key twice, a key that is a collection,
            a tag that only some program understands, or exceeds a limit.
        ImportError: PyYAML is not installed.
    """
    import yaml

    _refuse_large(data)
    loader = yaml.CSafeLoader(data)
    try:
        return _Composer(loader).document()
    except yaml.YAMLError as error:
        # PyYAML names what it reads from; this is a text in memory.
        raise YamlError(
            " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
        ) from error
    finally:
        loader.dispose()


def _refuse_large(data: bytes | str) -> None:
    if len(data) > LARGEST:
        raise YamlError(f"it is larger than {LARGEST >> 20} MiB")


class _Composer:
    """Turns the events of a parser into a value."""

    def __init__(self, parser: "yaml.CSafeLoader") -> None:
        import yaml

        self._yaml = yaml
        self._next = parser.get_event
        self._constructor = yaml.constructor.SafeConstructor()
        self._resolvers = yaml.SafeLoader.yaml_implicit_resolvers
        self._plain: dict[str, object] = {}
        # Name → its value and how many nodes it has.
        self._anchors: dict[str, tuple[object, int]] = {}
        self._nodes = 0

    def document(self) -> object:
        """The value of the whole stream."""
        self._next()  # the start of the stream
        if isinstance(self._next(), self._yaml.StreamEndEvent):
            return None
        result = self._value(self._next(), 0)
        self._next()  # the end of the document
        event = self._next()
        if not isinstance(event, self._yaml.StreamEndEvent):
            raise _refusal("a second document begins", event)
        return result

    def _value(self, event: "yaml.Event | None", depth: int) -> object:
        if isinstance(event, self._yaml.AliasEvent):
            return self._alias(event)
        before = self._nodes
        self._count(1, event)
        result: object
        if isinstance(event, self._yaml.ScalarEvent):
            result = self._scalar(event)
        elif isinstance(event, self._yaml.CollectionStartEvent):
            result = self._collection(event, depth + 1)
        else:
            raise _refusal("a value is missing", event)
        if event.anchor is not None:
            self._anchors[event.anchor] = result, self._nodes - before
        return result

    def _collection(self, event: "yaml.CollectionStartEvent", depth: int) -> object:
        if depth > DEEPEST:
            raise _refusal(f"more than {DEEPEST} lists and mappings inside each other", event)
        is_mapping = isinstance(event, self._yaml.MappingStartEvent)
        if event.tag not in {None, "!", f"{_TAG}{'map' if is_mapping else 'seq'}"}:
            raise _refusal(f"the tag {event.tag} is not supported", event)
        return self._mapping(depth) if is_mapping else self._sequence(depth)

    def _mapping(self, depth: int) -> dict[object, object]:
        result: dict[object, object] = {}
        while not isinstance(event := self._next(), self._yaml.MappingEndEvent):
            if not isinstance(event, self._yaml.ScalarEvent):
                raise _refusal("a key is a list, a mapping or an alias", event)
            key = self._value(event, depth)
            if key in result:
                raise _refusal(f"the key {key!r} stands there twice", event)
            result[key] = self._value(self._next(), depth)
        return result

    def _sequence(self, depth: int) -> list[object]:
        result = []
        while not isinstance(event := self._next(), self._yaml.SequenceEndEvent):
            result.append(self._value(event, depth))
        return result

    def _scalar(self, event: "yaml.ScalarEvent") -> object:
        text = event.value
        if event.tag not in {None, "!"}:
            return self._constructed(event, event.tag)
        if not event.implicit[0]:
            return text
        if text not in self._plain:
            tags = self._resolvers.get(text[:1], ())
            tag = next((tag for tag, pattern in tags if pattern.match(text)), None)
            self._plain[text] = text if tag is None else self._constructed(event, tag)
        return self._plain[text]

    def _constructed(self, event: "yaml.ScalarEvent", tag: str) -> object:
        """The number, truth value, date or nothing that a scalar means by its tag."""
        if tag == f"{_TAG}str":
            return event.value
        if tag not in _VALUES:
            raise _refusal(f"the tag {tag} is not supported", event)
        if len(event.value) > LONGEST_VALUE:
            raise _refusal(f"a number or date has more than {LONGEST_VALUE} characters", event)
        try:
            result: object = self._constructor.construct_object(
                self._yaml.ScalarNode(tag, event.value)
            )
        except (*_NO_VALUE, self._yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise _refusal(f"a value cannot be used: {reason}", event) from error
        return result

    def _alias(self, event: "yaml.AliasEvent") -> object:
        if event.anchor not in self._anchors:
            raise _refusal(f"the alias *{event.anchor} stands for nothing, or for itself", event)
        value, nodes = self._anchors[event.anchor]
        self._count(nodes, event)
        return value

    def _count(self, nodes: int, event: "yaml.Event | None") -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise _refusal(f"it holds more than {MOST_NODES:,} values", event)


def _refusal(message: str, event: "yaml.Event | None") -> YamlError:
    mark = event.start_mark if event is not None else None
    place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return YamlError(f"{message}{place}")
