"""Whatever stands in a lock: it is read, or refused in one line, and what was read can be used."""

import json
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from hypothesis import given, strategies as st

from lading.conda import Platform
from lading.errors import LadingError
from lading.lock import (
    Lockfile,
    diff_locks,
    export_environment_yml,
    export_explicit,
    export_requirements,
    lock_graph,
    pins_of_conda_lock,
    read_lockfile,
)
from lading.system import YamlError, parse_yaml
from simulators.fuzzing import (
    MEMORY,
    TEXTS,
    VALUES,
    edited_bytes,
    edited_document,
    outcome,
    usually,
)
from simulators.samples import LOCK


@cache
def base() -> Lockfile:
    """That lock, read."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name, "linux-64.conda-lock.yml")
        path.write_text(LOCK)
        return read_lockfile(path)


def check(data: bytes) -> None:
    """`data` is refused, or all that can be asked of a lock is answered."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        path = Path(name, "linux-64.conda-lock.yml")
        path.write_bytes(data)
        found = outcome(lambda: read_lockfile(path))
        outcome(lambda: read_lockfile(path, Platform.LINUX_64))
        outcome(lambda: pins_of_conda_lock(path))
        if isinstance(found, LadingError):
            return
    for item in found.conda:
        outcome(item.to_record)
    assert isinstance(found.virtual_packages, dict)
    outcome(lambda: lock_graph(found, Path("nowhere")))
    outcome(lambda: diff_locks(base(), found))
    outcome(lambda: diff_locks(found, base()))
    outcome(lambda: export_explicit(found))
    outcome(lambda: export_environment_yml(found, "name"))
    outcome(lambda: export_requirements(found))


URLS = st.sampled_from(
    [
        "https://[::1/channel/linux-64/a-1-0.conda",
        "https://host.example:port/linux-64/a-1-0.conda",
        "file:///evil",
        "https://host.example/channel/noarch/../../a-1-0.conda",
        "https://host.example/channel/noarch/%2e%2e%2fa-1-0.conda",
        "https://host.example/channel/noarch/six-1.16.0-0.tar.bz2",
    ]
)


@usually
@given(edited_document(parse_yaml(LOCK), 3, VALUES | URLS))
def test_an_edited_lock(document: object) -> None:
    """Other values in a lock."""
    check(json.dumps(document).encode())


@usually
@given(edited_bytes(LOCK.encode()))
def test_a_damaged_lock(data: bytes) -> None:
    """Other bytes in a lock."""
    check(data)


PIECES = st.sampled_from(
    [
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        "? ",
        "- - ",
        "&a ",
        "*a",
        "\n",
        "\n  ",
        "\n    ",
        "# ",
        "!!map ",
        "!!int ",
        "!!python/object:os.system ",
        "!x ",
        '"',
        "'",
        "%",
        "@",
        "|\n",
        ">\n",
        "--- ",
        "\n---\n",
        "\n...\n",
        "<<: ",
        "<<: *a",
        "~",
        "yes",
        "0x_",
        "1e9",
        "1__0",
        ".inf",
        ".nan",
        "2026-02-30",
        "2026-01-01T00:00:00Z",
        "0o9",
        "08",
        "1:60:60",
        "=",
        "\t",
        "\ufeff",
    ]
)
DOCUMENTS = st.lists(PIECES | TEXTS, max_size=40).map("".join)


@usually
@given(DOCUMENTS, st.sampled_from([1, 2, 300, 30_000]), st.booleans())
def test_any_document(text: str, times: int, behind: bool) -> None:  # noqa: FBT001
    """Pieces of YAML in any order, and as many of them as there may be."""
    body = (text * times)[:200_000]
    data = (LOCK + body if behind else body).encode(errors="surrogatepass")

    with suppress(YamlError):
        outcome(lambda: parse_yaml(data))
    check(data)
