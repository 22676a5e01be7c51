"""A request in micromamba's words; what it would ignore or misread is refused. Pure."""

from lading.conda import MatchSpecText, MirrorMap, RepodataRecord, parse_matchspec
from lading.engine.errors import not_by_micromamba
from lading.engine.location import Sources
from lading.engine.protocol import SolveRequest
from lading.errors import EngineError
from lading.system import without_credentials

PYTHON = "python"
UNDERSTOOD = {"build_number", "subdir", "md5", "sha256"}
"""Fields of MatchSpecs that micromamba reads as lading does."""

# Virtual packages that micromamba can override (CEP 30); those not requested are switched off.
_OVERRIDES = ("__glibc", "__linux", "__osx", "__win", "__cuda", "__archspec")
# Follows from the platform alone.
_IMPLIED = ("__unix",)


def refuse_fields(request: SolveRequest) -> None:
    """Refuse MatchSpecs with fields that micromamba would ignore."""
    for text in request.specs:
        ignored = [
            key
            for field in parse_matchspec(text).fields
            if (key := field.partition("=")[0]) not in UNDERSTOOD
        ]
        if ignored:
            raise not_by_micromamba(f"micromamba ignores `{ignored[0]}` in {text}")


def refuse_bearers(sources: Sources, mirrors: MirrorMap) -> None:
    """Refuse channels that need a bearer token, which micromamba would read from a file."""
    for channel, location in sources.items():
        if mirrors.bearer(location):
            raise EngineError(
                f"micromamba cannot use the bearer token of {without_credentials(channel)}",
                hint="lock with --engine embedded, or use a token in the URL",
            )


def overrides(request: SolveRequest) -> dict[str, str]:
    """The variables that set micromamba's virtual packages to exactly those of the request."""
    wanted = {package.name: package for package in request.virtual_packages}
    unknown = sorted(wanted.keys() - {*_OVERRIDES, *_IMPLIED})
    if unknown:
        raise not_by_micromamba(f"micromamba cannot use the virtual package {unknown[0]}")
    values: dict[str, str] = {}
    for name in _OVERRIDES:
        package = wanted.get(name)
        value = "" if package is None else package.version
        if package is not None and name == "__archspec":
            value = package.build
        values[f"CONDA_OVERRIDE_{name.removeprefix('__').upper()}"] = value
    return values


def spelled(text: MatchSpecText) -> MatchSpecText:
    """A MatchSpec as micromamba understands it.

    It knows no `==` before a build number. 2.6 and later add pip to python where the text before
    the first space or operator is `python`.
    """
    if "[" not in text and text.split(" ")[0] != PYTHON:
        return text
    spec = parse_matchspec(text)
    fields = {
        "version": spec.version or "*",
        "build": spec.build,
        "build_number": spec.build_number.removeprefix("=="),
        "subdir": spec.subdir,
        "md5": spec.md5,
        "sha256": spec.sha256,
    }
    written = ",".join(f"{key}='{value}'" for key, value in fields.items() if value)
    channel = f"{spec.channel}::" if spec.channel else ""
    return MatchSpecText(f"{channel}{spec.name}[{written}]")


def pin(record: RepodataRecord) -> MatchSpecText:
    """The MatchSpec that only `record` satisfies."""
    return MatchSpecText(f"{record.name} =={record.version} {record.build}")


def prefix_record(record: RepodataRecord) -> dict[str, object]:
    """The part of a prefix record that the solver reads."""
    return {
        "name": record.name,
        "version": record.version,
        "build": record.build,
        "build_string": record.build,
        "build_number": record.build_number,
        "channel": record.channel,
        "subdir": record.subdir,
        "url": record.url,
        "fn": record.file_name,
        "depends": list(record.depends),
        "constrains": list(record.constrains),
        "sha256": record.sha256.hex if record.sha256 else "",
        "md5": record.md5.hex if record.md5 else "",
        "files": [],
    }
