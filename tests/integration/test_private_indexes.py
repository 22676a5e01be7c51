"""Several package indexes, one with a password, and channels with a password, on loopback."""

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lading.lock.model import Lockfile
from lading.lock.reading import read_lockfile
from simulators.channel import ChannelSimulator, Package
from simulators.command import Outcome, lading
from simulators.guarded import BASIC, PASSWORD as SECRET, Bearing, Guarded
from simulators.interpreter import python_package
from simulators.webserver import running, serve_directory
from simulators.wheel_index import WheelIndex

USER = {"USER_OF_INDEX": "someone", "PW": SECRET}


@dataclass(frozen=True, slots=True)
class Place:
    """A project, a public index and channel, and private ones."""

    root: Path
    public: str
    private: str
    channel: str
    wheels: WheelIndex

    def write(self, *pip: str, settings: str = "", channel: str = "") -> None:
        """Write the source and the settings."""
        lines = "".join(f"\n      - {json.dumps(line)}" for line in pip)
        (self.root / "environment.yml").write_text(
            f"name: x\nchannels: ['{channel or self.channel}']\n"
            f"dependencies:\n  - python\n  - pip:{lines}\n"
        )
        (self.root / "lading.toml").write_text(settings)

    def run(self, *words: str, code: int = 0, **variables: str) -> Outcome:
        """What a command did, which ends with `code` and says no secret."""
        home = self.root.parent / "home"
        home.mkdir(exist_ok=True)
        variables = {"LADING_ENGINE": "embedded", "HOME": str(home), **variables}
        outcome = lading(["-v", *words], self.root, variables)
        assert outcome.code == code, outcome.stderr
        for word in (SECRET, BASIC):
            assert word not in outcome.stdout + outcome.stderr
        return outcome

    @property
    def lock(self) -> Lockfile:
        """What is locked."""
        [path] = (self.root / "locks/x").iterdir()
        return read_lockfile(path)

    @property
    def versions(self) -> dict[str, str]:
        """Name → version of the pip part."""
        return {item.name: item.version for item in self.lock.pip}

    def leaks(self) -> list[str]:
        """Files of the project that hold the secret."""
        return [
            str(path)
            for path in self.root.rglob("*")
            if path.is_file() and path.name not in {"environment.yml", "lading.toml"}
            if any(word.encode() in path.read_bytes() for word in (SECRET, BASIC))
        ]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """`tool` lies in both indexes, newer in the public one; `inside` in the private one."""
    served = tmp_path / "served"
    channel = ChannelSimulator(served / "channel")
    channel.add(python_package())
    channel.add(Package(name="pip", version="24.0", noarch="python", depends=("python",)))
    channel.write_repodata()
    private = WheelIndex(served)
    private.add_wheel("tool", "1.0", requires=("helper",))
    private.add_wheel("inside", "1.0")
    public = WheelIndex(tmp_path / "public")
    public.add_wheel("tool", "9.0")
    for version in ("1.0", "2.0", "3.0a1"):
        public.add_wheel("helper", version)
    (tmp_path / "project").mkdir()
    guarded = functools.partial(Guarded, directory=str(served))
    with running(guarded) as url, serve_directory(public.root) as open_url:
        yield Place(tmp_path / "project", f"{open_url}/simple", url, channel.url, public)


def _with_user(url: str) -> str:
    return url.replace("://", "://$USER_OF_INDEX:${PW}@") + "/simple"


def _settings(place: Place, more: str = "") -> str:
    return (
        f'[[indexes]]\nname = "inside"\nurl = "{_with_user(place.private)}"\n{more}'
        f'[[indexes]]\nname = "open"\nurl = "{place.public}"\ndefault = true\n'
    )


def test_first_index(place: Place) -> None:
    """The first index that has a name counts, whatever the other one has; the secret stays out."""
    place.write("tool", settings=_settings(place))
    place.run("lock", **USER)
    assert place.versions == {"helper": "2.0", "tool": "1.0"}
    assert place.lock.pip[1].url == f"{place.private}/files/tool-1.0-py3-none-any.whl"
    place.run("lock", "--check")
    place.run("fetch", "x", **USER)
    assert place.leaks() == []
    refused = place.run("lock", "--update-all", code=3)
    assert "names the variable USER_OF_INDEX, which is not set" in refused.stderr


def test_explicit_index(place: Place) -> None:
    """An explicit index is asked only for what is its own."""
    place.write(
        "tool", "inside", settings=_settings(place, 'explicit = true\npackages = ["in*"]\n')
    )
    place.run("lock", **USER)
    assert place.versions == {"inside": "1.0", "tool": "9.0"}


@pytest.mark.parametrize("way", ["option", "pip-repositories", "netrc"])
def test_sources_name_indexes(place: Place, way: str) -> None:
    """Lines of the source name indexes, with a password in variables or in a netrc."""
    lines = [f"--index-url {place.public}", "tool"]
    variables = USER
    match way:
        case "option":
            place.write(f"--extra-index-url {_with_user(place.private)}", *lines)
        case "pip-repositories":
            place.write(*lines)
            with (place.root / "environment.yml").open("a") as stream:
                stream.write(f"pip-repositories: ['{_with_user(place.private)}']\n")
        case _:
            place.write(f"--extra-index-url {place.private}/simple", *lines)
            (place.root.parent / "home").mkdir()
            (place.root.parent / "home/.netrc").write_text(
                f"machine 127.0.0.1 login someone password {SECRET}\n"
            )
            variables = {}
    place.run("lock", **variables)
    assert place.versions == {"helper": "2.0", "tool": "1.0"}
    place.run("fetch", "x", **variables)
    assert place.leaks() == []


def test_constraints_and_files(place: Place) -> None:
    """Requirement files, constraints and prereleases hold; so does a digest in a requirement."""
    (place.root / "requirements.txt").write_text("-c limits.txt\nhelper  # any\n")
    (place.root / "limits.txt").write_text("helper<2\n")
    index = f"--index-url {place.public}"
    place.write(index, "-r requirements.txt")
    place.run("lock")
    assert place.versions == {"helper": "1.0"}
    place.run("lock", "--check")
    place.write(index, "--pre", "helper")
    assert "helper" in place.run("lock", "--update-all").stderr
    assert place.versions == {"helper": "3.0a1"}
    place.write(index, f"helper==2.0 --hash=sha256:{'0' * 64}")
    refused = place.run("lock", code=3)
    assert "helper 2.0 has another sha256 than the requirement asks for" in refused.stderr


def test_directory_of_wheels(place: Place) -> None:
    """`--find-links` with a directory: what lies in the project is locked by its path."""
    wheels = WheelIndex(place.root / "more")
    wheels.add_wheel("inside", "7.0", requires=("helper<2",))
    place.write(f"--index-url {place.public}", "-f more/files", "inside")
    place.run("lock")
    assert place.versions == {"helper": "1.0", "inside": "7.0"}
    assert place.lock.pip[1].url == "file:./more/files/inside-7.0-py3-none-any.whl"
    place.run("fetch", "x")


def test_channel_with_password(place: Place) -> None:
    """A channel that could be locked can be installed in the same shell, and without it not."""
    url = place.private.replace("://", "://$USER_OF_INDEX:$PW@") + "/channel"
    place.write(f"--index-url {place.public}", "helper", channel=url)
    place.run("lock", **USER)
    place.run("install", "x", **USER)
    assert place.leaks() == []
    (place.root / "build").rename(place.root / "old")
    (place.root / ".lading").rename(place.root / ".old")
    assert "401" in place.run("install", "x", code=6).stderr


def test_a_bearer_token(place: Place, tmp_path: Path) -> None:
    """An index that wants a token in a header is locked and installed; the token stays out."""
    with running(functools.partial(Bearing, directory=str(tmp_path / "served"))) as url:
        settings = f'[[indexes]]\nname = "inside"\nurl = "{url}/simple"\n'
        place.write("inside", settings=settings)
        place.run("lock", code=6)
        tokens = {url.partition("://")[2]: {"BearerToken": SECRET}}
        (tmp_path / "auth.json").write_text(json.dumps(tokens))
        variables = {"RATTLER_AUTH_FILE": str(tmp_path / "auth.json")}
        place.run("lock", **variables)
        assert [f"{url}/files/inside-1.0-py3-none-any.whl"] == [it.url for it in place.lock.pip]
        place.run("install", "x", code=6)
        place.run("install", "x", **variables)
    assert [] == place.leaks()
