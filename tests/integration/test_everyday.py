"""What people meet every day: a machine that will not do, places that lading cannot read."""

from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.conda.paths import FileMode
from simulators.command import lading, listing
from simulators.handmade import file, pack, payload
from simulators.images import make_image
from simulators.macho import is_valid, signed, standin

OLD = "/build/" + "placeholder" * 20
NEWER = "__glibc=99=0 __cuda=99=0"
COMMANDS = ("manifest", "mount", "preflight", "run", "unpack", "verify")


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tarball that needs a newer glibc, and a GPU."""
    directory = tmp_path_factory.mktemp("newer")
    sample = payload(file("share/word", b"word\n"), file("conda-meta/tool-1.0-0.json", b"{}"))
    return pack(directory, sample, virtual_packages=NEWER).plan.tarball


def test_a_machine_that_will_not_do(newer: Path, tmp_path: Path) -> None:
    """Unpacking says so in the words of `preflight`, before it writes; --anyway does it."""
    refused = lading(["unpack", newer, "env"], tmp_path)
    told = lading(["preflight", newer], tmp_path)
    assert (8, [], True) == (refused.code, listing(tmp_path), refused.is_plain_error)
    assert (8, 1) == (told.code, sum("__glibc" in line for line in told.stdout.splitlines()))
    [line] = [line.strip() for line in told.stdout.splitlines() if "__glibc" in line]
    assert line.split() in [item.split() for item in refused.stderr.splitlines()]
    stored = lading(["unpack", newer, "env", "--store", "store"], tmp_path)
    assert (8, []) == (stored.code, listing(tmp_path))
    done = lading(["unpack", "--anyway", newer, "env"], tmp_path)
    assert (0, "word\n") == (done.code, (tmp_path / "env/share/word").read_text())
    # A GPU is often missing where an environment is unpacked for others.
    assert "__cuda" not in refused.stderr


def test_an_environment_of_macos(tmp_path: Path) -> None:
    """It is unpacked on Linux only if asked, signed by the program that a variable names."""
    tool = file(
        "bin/tool",
        signed(f"{OLD}/x".encode()),
        placeholder=OLD,
        mode=FileMode.BINARY,
        directory=tmp_path / "source",
    )
    made = pack(tmp_path / "dist", payload(tool), platform=Platform.OSX_64).plan.tarball
    variables = {"LADING_CODESIGN": str(standin(tmp_path))}
    refused = lading(["unpack", made, "env"], tmp_path)
    assert (8, True) == (refused.code, "linux x86_64, needed osx-64" in refused.stderr)
    done = lading(["unpack", "--anyway", made, "env"], tmp_path, variables)
    assert (0, True) == (done.code, is_valid(tmp_path / "env/bin/tool")), done.stderr
    (tmp_path / "env").rename(tmp_path / "moved")
    done = lading(["relocate", "moved"], tmp_path, variables)
    assert (0, True) == (done.code, is_valid(tmp_path / "moved/bin/tool")), done.stderr
    assert 0 == lading(["verify", "moved"], tmp_path).code


def test_an_image_that_will_not_run(tmp_path: Path) -> None:
    """Running and mounting it is refused before anything is mounted."""
    image = make_image(tmp_path / "dist", virtual_packages=NEWER).plan.tarball
    for words in (["run", image, "--", "where"], ["mount", image, tmp_path / "place"]):
        refused = lading(words, tmp_path)
        assert (8, True) == (refused.code, refused.is_plain_error), refused.stderr
        assert "99" in refused.stderr
    assert not (tmp_path / "place").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_places_that_lading_cannot_read(command: str, tmp_path: Path) -> None:
    """The scheme is named, with the program that fetches it; nothing is looked for on this disk."""
    last = {"run": ["--", "true"], "unpack": ["env"]}.get(command, [])
    refused = lading([command, "s3://bucket/env.tar.zst", *last], tmp_path)
    assert (2, True) == (refused.code, refused.is_plain_error)
    assert "and not s3://" in refused.stderr
    assert "aws s3 cp s3://bucket/env.tar.zst" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["unpac", "x"], 2, "did you mean `lading unpack`?"),
        (["unpack", "samle.tar.zst", "env"], 3, "did you mean {}/sample.tar.zst?"),
        (["unpack", "empty", "env"], 7, "is not a tarball of lading, or is cut off"),
        (["verify", "dist/missing.tar"], 3, "name a tarball that `lading pack` wrote"),
        (["preflight", "."], 3, "{} is a directory"),
        (["run", "sample.tar.zst", "--", "true"], 7, "is not a tarball of lading, or is cut off"),
        (["relocate", "missing"], 8, "{}/missing does not exist"),
        (["relocate", "empty"], 8, "{}/empty is not a directory"),
        (["gc", "--store", "missing"], 8, "there is no store at {}/missing"),
        (["tree"], 2, "lock one first: `lading lock environment.yml`"),
        (["preflight"], 2, "name a tarball, an image or a bill"),
    ],
)
def test_mistakes(words: list[str], code: int, told: str, tmp_path: Path) -> None:
    """The thing is named, and what to do; a name that is nearly right is recognized."""
    (tmp_path / "sample.tar.zst").write_bytes(b"sample")
    (tmp_path / "empty").touch()
    done = lading(words, tmp_path)
    assert (code, True) == (done.code, done.is_plain_error), done.stderr
    assert told.format(tmp_path) in done.stderr
    assert ["empty", "sample.tar.zst"] == listing(tmp_path)
