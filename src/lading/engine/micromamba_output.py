"""Parse what micromamba prints: the JSON of a dry run, and error messages. Pure.

Written from the output of micromamba 2.5.0 and 2.8.1.
"""

import re
import textwrap

import msgspec

from lading.conda import BuildString, MatchSpecText, PackageName, RepodataRecord
from lading.engine.errors import BrokenRecordError, clean_lines, solve_error, unread_channel
from lading.engine.location import Sources, canonical_url
from lading.engine.matching import parse_version
from lading.errors import EngineFailedError, LadingError, SpecError
from lading.system import Completed, Digest, decode_json

NOISE = (
    r"critical libmamba Could not solve for environment specs",
    r"\s*If you run into this error repeatedly",
    r"\s*Please try running `mamba clean",
    r"\s*If you still are having issues",
    r"\s*https://github.com/mamba-org/mamba/issues/new",
    r"critical libmamba Multiple errors occurred:",
    r"critical libmamba Found incorrect downloads",
    r"(critical|error)\s+libmamba\s*$",
    r"\s*$",
)

# Timestamps are milliseconds since 2012; older ones, and those of micromamba, are seconds.
_FIRST_MILLISECONDS = 10**11


_UNREACHABLE = re.compile(r"Download error|not loaded!|Could not resolve host|Multiple errors")
_UNSOLVABLE = re.compile(r"(error|critical)\s+libmamba Could not solve[^\n]*\n?")
# Not a spec that a user wrote: these are rewritten before micromamba sees them.
_MISREAD_RECORD = re.compile(r"critical libmamba (Error parsing version[^\n]*)")
_MISREAD = re.compile(r"MatchSpec|InvalidSpec|Failed to parse|Error parsing")


class _Action(msgspec.Struct, frozen=True):
    name: str
    version: str
    url: str
    build: str = ""
    build_string: str = ""
    build_number: int = 0
    subdir: str = ""
    channel: str = ""
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    # 2.5 writes an empty list as null.
    depends: tuple[str, ...] | None = None
    constrains: tuple[str, ...] | None = None
    license: str | None = None
    timestamp: int | None = None
    noarch: str | None = None


class _Removed(msgspec.Struct, frozen=True):
    name: str


class _Actions(msgspec.Struct, frozen=True):
    fetch: tuple[_Action, ...] = msgspec.field(name="FETCH", default=())
    link: tuple[_Action, ...] = msgspec.field(name="LINK", default=())
    removed: tuple[_Removed, ...] = msgspec.field(name="UNLINK", default=())


class _Answer(msgspec.Struct, frozen=True):
    actions: _Actions = _Actions()


def read_records(answer: Completed, sources: Sources) -> tuple[RepodataRecord, ...]:
    """The records that a dry run would link, sorted by name, URLs canonical.

    Raises:
        EngineFailedError: The output cannot be parsed.
        BrokenRecordError: The version of a record is invalid, which micromamba accepts.
    """
    actions = _decode(answer).actions
    found = {action.name: action for action in (*actions.link, *actions.fetch)}
    return tuple(_record(found[name], sources) for name in sorted(found))


def changed_names(answer: Completed) -> frozenset[str]:
    """The names of the packages that a dry run would remove or replace."""
    actions = _decode(answer).actions
    return frozenset(item.name for item in actions.removed) | {item.name for item in actions.link}


def solve_failure(answer: Completed) -> LadingError:
    """The error for a dry run that ended with an error."""
    text = answer.stderr or answer.stdout
    broken = _MISREAD_RECORD.search(text)
    if broken:
        return BrokenRecordError.told(broken[1].strip(), clean_lines(text, NOISE))
    # Before the next test: 2.5 warns of a missing repodata.json.zst as of an unreachable channel.
    if _UNSOLVABLE.search(text):
        return solve_error(clean_lines(textwrap.dedent(_UNSOLVABLE.split(text)[2]), NOISE))
    lines = clean_lines(text, NOISE)
    if _UNREACHABLE.search(text):
        return unread_channel(lines)
    if answer.returncode < 0:
        return EngineFailedError(
            f"micromamba was ended by signal {-answer.returncode}: {' '.join(lines[:1])}",
            hint="a channel may have a malformed package record: --engine embedded names it",
            details=lines,
        )
    if _MISREAD.search(text):
        return SpecError(
            f"micromamba rejects a MatchSpec: {' '.join(lines[:1])}",
            hint="correct it",
            details=lines,
        )
    return EngineFailedError(
        f"micromamba ended with exit code {answer.returncode}: {' '.join(lines[:1])}",
        hint="run again with -v, or use --engine embedded",
        details=lines,
    )


def _decode(answer: Completed) -> _Answer:
    text = answer.stdout
    # Warnings may stand before the document.
    start = text.find("{")
    try:
        return decode_json(text[start:].encode() if start >= 0 else b"", _Answer)
    except msgspec.DecodeError as error:
        raise EngineFailedError(
            "the output of micromamba cannot be parsed",
            hint="use micromamba 2.3.3 to 2.8, or --engine embedded",
            details=(str(error), *answer.last_lines()),
        ) from error


def _record(action: _Action, sources: Sources) -> RepodataRecord:
    channel, url = canonical_url(action.url, action.channel, sources)
    try:
        parse_version(action.version)
    except ValueError as error:
        raise BrokenRecordError.of(channel, url.rpartition("/")[2], str(error)) from error
    timestamp = action.timestamp or 0
    return RepodataRecord(
        name=PackageName(action.name),
        version=action.version,
        build=BuildString(action.build or action.build_string),
        build_number=action.build_number,
        subdir=url.split("/")[-2] if url.startswith(channel) else action.subdir,
        channel=channel,
        url=url,
        sha256=Digest.sha256(action.sha256) if action.sha256 else None,
        md5=Digest.md5(action.md5) if action.md5 else None,
        size=action.size or 0,
        depends=tuple(MatchSpecText(text) for text in action.depends or ()),
        constrains=tuple(MatchSpecText(text) for text in action.constrains or ()),
        license=action.license or "",
        timestamp=timestamp if timestamp >= _FIRST_MILLISECONDS else timestamp * 1000,
        noarch=action.noarch or "",
    )
