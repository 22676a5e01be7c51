"""MatchSpecs in one spelling.

People, environment files and conda-lock write the same query in many ways; engines do not read all
of them, or read them differently. Here each is turned into

    [channel::]name [version [build]][[extras=[A],flags=[B],build_number="==0",subdir="noarch",
                                       md5="HEX",sha256="HEX",when="CONDITION"]]

where a version is a `|` of `,` of terms, and each term is `*`, `1.2.*`, `!=1.2.*` or one of
`== != >= <= > < ~=` with a version literal. That form py-rattler (strict and lenient) and
micromamba read alike. Where the common spellings differ, conda's reading is taken:

    python=3.12         python 3.12.*       one `=` is a prefix match
    python 3.12         python ==3.12       a bare version is exact
    python=3.12=h1_0    python ==3.12 h1_0  ... and so is one before a build
    python ==3.11.*     python 3.11.*
    python >=3.*        python >=3

    URL/conda-forge/noarch/x-1-0.conda      URL/conda-forge::x ==1 0[subdir="noarch"]
    conda-forge/linux-64::numpy             conda-forge::numpy[subdir="linux-64"]

Fields that a lockfile cannot keep (`license`, `track_features`, ...) and syntax that engines do
not share (regular expressions, parentheses) are refused by name. `extras`, `flags` and `when` are
new in 2026, and not read by every engine: those refuse them.

Source: CEP 29 (MatchSpec), CEP 33 (versions), CEP 43 (`when`), CEP 44 (`extras`), CEP 45 (`flags`),
conda 24 `models/match_spec.py`.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from lading.conda.condition import Condition, condition_text, parse_condition
from lading.conda.names import NAME, MatchSpecText, PackageName
from lading.errors import SpecError

EXAMPLE = "write NAME, NAME VERSION or NAME VERSION BUILD, such as `numpy >=1.26,<3`"

FIELDS = (
    *("version", "build", "channel", "subdir", "build_number", "md5", "sha256"),
    *("extras", "flags", "when"),
)

_HEAD = re.compile(r"(?P<head>[^\[\]]*)(?:\[(?P<fields>.*)\])?\s*")
_FIELD = re.compile(
    r"""\s*(?P<key>\w+)\s*=\s*"""
    r"""(?:'([^']*)'|"([^"]*)"|\[(?P<list>[^\[\]]*)\]|([^,'"\s\[\]]*))\s*"""
)
_SEPARATOR = re.compile(r"\s*([,|])\s*")
_OPERATOR = re.compile(r"(?<![<>=!~])(>=|<=|==|!=|~=|=|>|<)\s*")
_BUILD_SIGN = re.compile(r"(?<=[^=<>!~,|])=(?!=)")
_TERM = re.compile(
    r"(?P<operator>>=|<=|==|!=|~=|=|>|<|)"
    # At least one digit: `numpy pandas` on one line is two packages, not a version.
    r"(?P<literal>(?:[0-9]+!)?(?=[^,|*]*[0-9])[0-9a-z]+(?:[._-][0-9a-z]+)*_?"
    r"(?:\+[0-9a-z]+(?:[._][0-9a-z]+)*)?|)"
    r"(?P<star>\.?\*|)"
)
_BUILD = re.compile(r"[A-Za-z0-9_.+*]+")
_BUILD_NUMBER = re.compile(r"(==|!=|>=|<=|>|<|)\s*([0-9]+)")
_EXTRA = re.compile(r"[a-z0-9_.+-]{1,64}")
_FLAG = re.compile(r"[a-z0-9_*]+(:[a-z0-9_*]+)?")
_CHANNEL = re.compile(r"(?:[a-z][a-z0-9+]*://)?[^\s:/\[\]][^\s\[\]]*")
_URL = re.compile(r"\s*[a-z][a-z0-9+]*://[^\s#\[\]]+\.(conda|tar\.bz2)(#\S*)?\s*(#.*)?$")
_SUBDIR = re.compile(r"/(noarch|(linux|osx|win|freebsd|emscripten|wasi|zos)-\w+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchSpec:
    """A query over package records, in the one spelling.

    Attributes:
        version: Normalised version query, or empty.
        build: Glob over build strings, or empty.
        channel: Name or URL without trailing slash, or empty.
        build_number: An operator and a number, or empty.
        subdir: `noarch` or a platform, or empty.
        md5: Of the archive, hexadecimal, or empty.
        sha256: The same.
        extras: Optional groups of dependencies to take in, sorted.
        flags: Globs; a package must carry a flag for each of them; sorted.
        when: The condition under which it counts, in one spelling; empty where it always does.
    """

    name: PackageName
    version: str = ""
    build: str = ""
    channel: str = ""
    build_number: str = ""
    subdir: str = ""
    md5: str = ""
    sha256: str = ""
    extras: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    when: str = ""

    @property
    def text(self) -> MatchSpecText:
        """The one spelling."""
        fields = self.fields
        return MatchSpecText(self.plain + (f"[{','.join(fields)}]" if fields else ""))

    @property
    def plain(self) -> MatchSpecText:
        """The one spelling without `fields`."""
        channel = f"{self.channel}::" if self.channel else ""
        version = self.version or ("*" if self.build else "")
        return MatchSpecText(" ".join(f"{channel}{self.name} {version} {self.build}".split()))

    @property
    def fields(self) -> tuple[str, ...]:
        """What is written in brackets, KEY=VALUE each: what a lockfile does not tell of a package.

        They hold no credential and, but for `when`, no space.
        """
        found = {
            "extras": f"[{','.join(self.extras)}]" if self.extras else "",
            "flags": f"[{','.join(self.flags)}]" if self.flags else "",
            "build_number": f'"{self.build_number}"' if self.build_number else "",
            "subdir": f'"{self.subdir}"' if self.subdir else "",
            "md5": f'"{self.md5}"' if self.md5 else "",
            "sha256": f'"{self.sha256}"' if self.sha256 else "",
            "when": f'"{self.when}"' if self.when else "",
        }
        return tuple(f"{key}={value}" for key, value in found.items() if value)

    @property
    def condition(self) -> "Condition[MatchSpec] | None":
        """The condition under which it counts, or None where it always does."""
        return parse_condition(self.when, _parse_query) if self.when else None


def parse_matchspec(text: str) -> MatchSpec:
    """The MatchSpec written as `text`, which may end in a `# comment`.

    Raises:
        SpecError: It is not a MatchSpec, or one that a lockfile cannot keep.
    """
    if _URL.match(text):
        return _parse_url(text)
    match = _HEAD.fullmatch(text.partition("#")[0].strip())
    if match is None:
        raise _refused(text, "its brackets do not match")
    channel, _, rest = match["head"].strip().rpartition("::")
    name = NAME.match(rest)
    if name is None:
        raise _refused(text, "it does not begin with a package name")
    version, build = _split_version(text, rest[name.end() :].strip())
    fields = _fields(text, match["fields"] or "")
    channel, subdir = _channel(text, channel)
    in_field, of_field = _channel(text, fields.pop("channel", ""))
    subdir = subdir or of_field
    said = {"version": version, "build": build, "channel": channel, "subdir": subdir}
    for key, value in said.items():
        if value and (fields.get(key) or (key == "channel" and in_field)):
            raise _refused(text, f"it names its {key} twice")
    exact = bool(build)
    build = build or fields.get("build", "")
    if build and not _BUILD.fullmatch(build):
        raise _refused(text, f"{build!r} is not a build string")
    return MatchSpec(
        name=PackageName(name[0].lower()),
        version=_version(text, version or fields.get("version", ""), exact=exact),
        build="" if build == "*" else build,
        channel=channel or in_field,
        subdir=_subdir(text, subdir or fields.get("subdir", "")),
        md5=_hexadecimal(text, "md5", fields.get("md5", "")),
        sha256=_hexadecimal(text, "sha256", fields.get("sha256", "")),
        build_number=_build_number(text, fields.get("build_number", "")),
        extras=_listed(text, fields, "extras", _EXTRA),
        flags=_listed(text, fields, "flags", _FLAG),
        when=_condition(text, fields["when"]) if "when" in fields else "",
    )


def _parse_url(text: str) -> MatchSpec:
    """The MatchSpec of one archive, written as its URL, with or without a digest behind `#`."""
    url, _, digest = text.strip().partition("#")
    digest = digest.partition(" ")[0].removeprefix("sha256:")
    channel, _, file_name = url.rpartition("/")
    channel, subdir = _channel(text, channel)
    parts = re.sub(r"\.(conda|tar\.bz2)$", "", unquote(file_name)).rsplit("-", 2)
    if len(parts) != len(("name", "version", "build")) or not subdir:
        raise _refused(text, "it is not the URL of a conda package in a channel")
    kind = "sha256" if len(digest) == len("0" * 64) else "md5"
    return MatchSpec(
        name=PackageName(parts[0].lower()),
        version=_version(text, parts[1], exact=True),
        build=parts[2],
        channel=channel,
        subdir=subdir,
        md5=_hexadecimal(text, kind, digest) if kind == "md5" else "",
        sha256=_hexadecimal(text, kind, digest) if kind == "sha256" else "",
    )


def _subdir(text: str, value: str) -> str:
    if value and not _SUBDIR.fullmatch(f"/{value}"):
        raise _refused(text, f"{value!r} is not a subdir")
    return value


def _hexadecimal(text: str, key: str, value: str) -> str:
    length = {"md5": 32, "sha256": 64}[key]
    if value and not re.fullmatch(f"[0-9a-fA-F]{{{length}}}", value):
        raise _refused(text, f"{value!r} is not a {key}")
    return value.lower()


def _build_number(text: str, value: str) -> str:
    match = _BUILD_NUMBER.fullmatch(value)
    if match is None and value:
        raise _refused(text, f"{value!r} is not a build number")
    return f"{match[1] or '=='}{int(match[2])}" if match else ""


def _listed(
    text: str, fields: dict[str, str], key: str, pattern: re.Pattern[str]
) -> tuple[str, ...]:
    """The values of a field that lists them, sorted and unique; each matches `pattern`."""
    if key not in fields:
        return ()
    values = {value.strip().strip("'\"") for value in fields[key].split("\n")}
    for value in sorted(values):
        if not pattern.fullmatch(value):
            raise _refused(text, f"{value!r} is not one of the {key} that a package can have")
    return tuple(sorted(values))


def _condition(text: str, value: str) -> str:
    """The one spelling of a condition."""
    try:
        return condition_text(parse_condition(value, _parse_query), _query_text)
    except ValueError as error:
        raise _refused(text, f"its condition cannot be read: {error}") from error
    except SpecError as error:
        raise _refused(text, f"its condition cannot be read: {error.message}") from error


def _parse_query(text: str) -> MatchSpec:
    """A query of a condition."""
    spec = parse_matchspec(text)
    if spec.when or spec.extras or spec.channel:
        raise _refused(text, "a condition asks for neither channel nor extras nor conditions")
    return spec


def _query_text(spec: MatchSpec) -> str:
    """A query in a condition, with single quotes: double ones stand around the condition."""
    if spec.version[:1] in {"<", ">", "=", "!", "~"} and not (
        spec.build or spec.fields or set(spec.version) & {",", "|"} or spec.version.endswith("*")
    ):
        return f"{spec.name}{spec.version}"
    pairs = (("version", spec.version), ("build", spec.build))
    fields = [f"{key}='{value}'" for key, value in pairs if value]
    fields += [field.replace('"', "'") for field in spec.fields]
    return spec.name + (f"[{','.join(fields)}]" if fields else "")


def _split_version(text: str, rest: str) -> tuple[str, str]:
    """Version and build of what follows the name, either may be empty."""
    compact = _OPERATOR.sub(r"\1", _SEPARATOR.sub(r"\1", rest))
    parts = compact.split()
    match parts:
        case []:
            return "", ""
        case [version, build]:
            return version, build
        case [both]:
            signs = list(_BUILD_SIGN.finditer(both))
            if not signs:
                return both, ""
            return both[: signs[-1].start()], both[signs[-1].end() :]
        case _:
            raise _refused(text, "it has more than a version and a build; join versions with `,`")


def _fields(text: str, content: str) -> dict[str, str]:
    """The keys and values in brackets; the items of a list are joined by newlines."""
    fields: dict[str, str] = {}
    position = 0
    while content.strip() and position <= len(content):
        match = _FIELD.match(content, position)
        if match is None or content[match.end() : match.end() + 1] not in {"", ","}:
            raise _refused(text, f"[{content}] is not a list of KEY=VALUE")
        key = match["key"]
        if key not in FIELDS:
            raise _refused(text, f"a lockfile cannot keep `{key}`")
        if key in fields:
            raise _refused(text, f"it names its {key} twice")
        if match["list"] is not None and key not in {"extras", "flags"}:
            raise _refused(text, f"`{key}` is not a list")
        listed = "\n".join((match["list"] or "").split(","))
        fields[key] = (match[2] or match[3] or listed or match[5] or "").strip()
        position = match.end() + 1
    return fields


def _version(text: str, version: str, *, exact: bool) -> str:
    """The normalised version query; `exact` makes a lone `=1.2` mean `==1.2`."""
    compact = _OPERATOR.sub(r"\1", _SEPARATOR.sub(r"\1", version)).lower()
    if not compact:
        return ""
    if "(" in compact or "^" in compact or "$" in compact:
        raise _refused(text, "parentheses and regular expressions are not read by every engine")
    exact = exact and not set(compact) & {",", "|"}
    alternatives = []
    for alternative in compact.split("|"):
        terms = [_term(text, term, exact=exact) for term in alternative.split(",")]
        alternatives.append(",".join(term for term in terms if term != "*") or "*")
    joined = "*" if "*" in alternatives else "|".join(alternatives)
    return "" if joined == "*" else joined


def _term(text: str, term: str, *, exact: bool) -> str:
    """One version term in its normal form."""
    match = _TERM.fullmatch(term)
    if match is None:
        raise _refused(text, f"{term!r} is not a version query")
    operator, literal, star = match["operator"], match["literal"], match["star"]
    if not literal:
        if star and operator in {"", "=", "=="}:
            return "*"
        raise _refused(text, f"{term!r} is not a version query")
    if star:
        if operator == "~=":
            raise _refused(text, "`~=` does not take a `*`")
        if operator == "!=":
            return f"!={literal}.*"
        return f"{literal}.*" if operator in {"", "=", "=="} else operator + literal
    if operator == "=" and not exact:
        return f"{literal}.*"
    return f"=={literal}" if operator in {"", "="} else operator + literal


def _channel(text: str, channel: str) -> tuple[str, str]:
    """The channel without trailing slash, and its subdir; both may be empty."""
    stripped = channel.strip().rstrip("/")
    if stripped and not _CHANNEL.fullmatch(stripped):
        raise _refused(text, f"{channel!r} is not a channel")
    subdir = _SUBDIR.search(stripped)
    return (stripped[: subdir.start()], subdir[1]) if subdir else (stripped, "")


def _refused(text: str, reason: str) -> SpecError:
    return SpecError(f"cannot use the MatchSpec {text!r}: {reason}", hint=EXAMPLE)
