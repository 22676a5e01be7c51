"""dev, test and other categories, several environments at once, and groups that share versions."""

import json
from pathlib import Path

import pytest

from simulators.channel import ChannelSimulator, Package
from simulators.command import Outcome, lading
from simulators.engine_project import ENGINES, engine_variables

PLATFORM = "linux-64"


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> ChannelSimulator:
    """A program, what it needs, and what tests it."""
    channel = ChannelSimulator(tmp_path_factory.mktemp("channel"))
    for version in ("1.0", "2.0"):
        channel.add(Package(name="library", version=version, subdir=PLATFORM))
    channel.add(Package(name="app", depends=("library",), subdir=PLATFORM))
    channel.add(Package(name="helper", subdir=PLATFORM))
    channel.add(Package(name="checker", depends=("helper", "library"), subdir=PLATFORM))
    channel.add(Package(name="old", depends=("library <2",), subdir=PLATFORM))
    channel.write_repodata()
    return channel


def write(project: Path, name: str, channel: ChannelSimulator, *lines: str) -> None:
    """An environment file."""
    project.mkdir(exist_ok=True)
    text = "\n".join((f"channels: ['{channel.url}']", "platforms: [linux-64]", *lines))
    (project / name).write_text(text + "\n")


@pytest.fixture
def project(tmp_path: Path, channel: ChannelSimulator) -> Path:
    """A project with a category `dev`, locked."""
    path = tmp_path / "project"
    write(path, "environment.yml", channel, "name: service", "dependencies: [app]")
    write(path, "dev.yml", channel, "category: dev", "dependencies: [checker, app]")
    done(path, "lock", "environment.yml", "dev.yml")
    return path


def done(project: Path, *arguments: str) -> Outcome:
    """What a command that must succeed said."""
    outcome = lading(arguments, project)
    assert outcome.code == 0, outcome.stderr
    return outcome


def installed(project: Path, name: str = "service") -> set[str]:
    """The conda packages of an installed environment."""
    records = (project / f"build/{name}/{PLATFORM}/prefix/conda-meta").glob("*.json")
    return {path.name.rsplit("-", 2)[0] for path in records}


def test_what_is_left_out_is_said_and_can_be_had(project: Path) -> None:
    """Every command that leaves dev out says so; with it, dev is there; and back again."""
    said = "2 packages of dev are left out; --with dev includes them"
    for words in (
        ("install", "service"),
        ("fetch", "service"),
        ("mirror", "service", "carried"),
        ("export", "service"),
        ("tree",),
        ("pack", "service"),
    ):
        assert said in done(project, *words).stderr, words
    assert installed(project) == {"app", "library"}
    answer = json.loads(done(project, "install", "--with", "dev", "--json").stdout)
    assert (answer["categories"], answer["left_out"]) == (["dev", "main"], 0)
    assert installed(project) == {"app", "library", "checker", "helper"}
    assert "left out" not in done(project, "tree", "--with", "dev").stderr
    assert "helper" in done(project, "export", "--with", "dev").stdout
    assert "1 package of" not in done(project, "export", "--unified").stderr
    done(project, "install", "service")
    assert installed(project) == {"app", "library"}


def test_dev_without_main_has_what_dev_asks_for(project: Path) -> None:
    """`--without main` gives what dev asks for, even where main has it too, and no more."""
    text = done(project, "export", "--with", "dev", "--without", "main").stdout
    names = {line.rpartition("/")[2].split("-")[0] for line in text.splitlines()[2:]}
    assert names == {"library", "app", "helper", "checker"}


def test_the_only_source_may_be_dev(tmp_path: Path, channel: ChannelSimulator) -> None:
    """A single source in a category installs what it asks for, and nothing is left out."""
    path = tmp_path / "project"
    write(path, "environment.yml", channel, "name: x", "category: dev", "dependencies: [app]")
    done(path, "lock")
    assert "left out" not in done(path, "install", "x").stderr
    assert installed(path, "x") == {"app", "library"}


def test_the_configuration_chooses(project: Path) -> None:
    """`categories` of an environment hold for every command; `--without` takes some away."""
    (project / "lading.toml").write_text(
        '[environments.service]\nsources = ["environment.yml", "dev.yml"]\n'
        'categories = ["main", "dev"]\n'
    )
    assert "checker" in done(project, "export").stdout
    assert "checker" not in done(project, "export", "--without", "dev").stdout
    outcome = lading(["install", "service", "--with", "devv"], project)
    assert outcome.is_plain_error
    assert "did you mean dev?" in outcome.stderr


def test_a_locked_environment_is_locked_again_by_its_name(project: Path) -> None:
    """What `--check` says to run can be run: the lock knows its sources and its platforms."""
    write_to = project / "dev.yml"
    write_to.write_text(write_to.read_text().replace("checker, app", "checker, old"))
    answer = lading(["lock", "--check", "service"], project)
    assert (answer.code, "lading lock service" in answer.stdout) == (1, True)
    assert "category old: it is not locked in the category dev" in " ".join(answer.stdout.split())
    done(project, "lock", "service")
    assert done(project, "lock", "--check", "service").stdout.startswith("yes: service")


def test_several_environments(project: Path, channel: ChannelSimulator) -> None:
    """Names are environments, files are merged; with --all it is all that are locked."""
    write(project, "other.yml", channel, "name: other", "dependencies: [helper]")
    done(project, "lock", "other.yml")
    assert done(project, "lock", "service", "other").stderr.count("unchanged") == 2
    lines = done(project, "install", "--all", "--json").stdout.splitlines()
    assert [json.loads(line)["environment"] for line in lines] == ["other", "service"]
    assert len(done(project, "pack", "service", "other").stdout.splitlines()) == 2
    assert lading(["install", "--all", "service"], project).code == 2
    assert "service" in lading(["install"], project).stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_solve_group_shares_versions(
    tmp_path: Path, channel: ChannelSimulator, engine: str
) -> None:
    """One environment of the group holds a library back, so all have the older one."""
    project = tmp_path / "project"
    write(project, "one.yml", channel, "dependencies: [app]")
    write(project, "two.yml", channel, "dependencies: [old]")
    table = '[environments.{0}]\nsources = ["{0}.yml"]\nsolve-group = "all"\n'
    (project / "lading.toml").write_text(table.format("one") + table.format("two"))
    variables = engine_variables(engine)
    assert lading(["lock", "one"], project, variables).code == 0
    locks = [
        (project / f"locks/{name}/{PLATFORM}.conda-lock.yml").read_text() for name in ("one", "two")
    ]
    assert all("library-1.0-" in text for text in locks)
    assert "/old-" not in locks[0]
    assert lading(["lock", "--check"], project, variables).code == 0
    # Alone, the first would have the newer one; the check finds what a lock by hand breaks.
    (project / "lading.toml").write_text(table.format("one").replace("solve", "#"))
    assert lading(["lock", "one", "--update-all"], project, variables).code == 0
    (project / "lading.toml").write_text(table.format("one") + table.format("two"))
    answer = lading(["lock", "--check", "one"], project, variables)
    assert (answer.code, "of the same solve-group, has 1.0" in answer.stdout) == (1, True)


def test_what_is_locked_and_by_whom_asked(project: Path) -> None:
    """`list` names the line that asks for a package, or the packages that need it."""
    lines = [line.split() for line in done(project, "list", "--with", "dev").stdout.splitlines()]
    rows = {line[0]: " ".join(line[4:]) for line in lines}
    assert rows == {
        "name": "category asked by",
        "app": "main environment.yml: app; dev.yml: app",
        "checker": "dev dev.yml: checker",
        "helper": "dev checker",
        "library": "main app, checker",
    }
    document = json.loads(done(project, "list", "--json").stdout)
    assert [item["name"] for item in document["packages"]] == ["app", "library"]
    assert document["left_out"] == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_newer_and_what_holds_it_back(
    tmp_path: Path, channel: ChannelSimulator, engine: str
) -> None:
    """A package that another one holds back says by which; one that may move says nothing."""
    project = tmp_path / "project"
    write(project, "environment.yml", channel, "name: x", "dependencies: [app, old]")
    variables = engine_variables(engine)
    assert lading(["lock"], project, variables).code == 0
    answer = lading(["outdated", "--exit-code"], project, variables)
    assert answer.code == 1, answer.stderr
    row = answer.stdout.splitlines()[-1].split()
    assert row[:4] == ["library", "1.0", "1.0", "2.0"]
    assert " ".join(row[4:]).startswith("old 1.0 needs library <2")
    write(project, "environment.yml", channel, "name: x", "dependencies: [app]")
    answer = lading(["outdated", "--json"], project, variables)
    assert json.loads(answer.stdout)["platforms"][0]["newer"] == [
        {"name": "library", "locked": "1.0", "allowed": "2.0", "newest": "2.0", "held_by": []}
    ]


def test_what_this_checkout_has(project: Path) -> None:
    """`info` names environments with sources, locks and prefixes, artifacts and caches."""
    done(project, "install", "service")
    done(project, "pack", "service")
    text = done(project, "info").stdout
    assert "environment service (environment.yml, dev.yml)" in text
    assert f"linux-64: 4 packages (main, dev), installed in {project}/build/service" in text
    document = json.loads(done(project, "info", "--json").stdout)
    assert "service-linux-64.tar.zst" in {item["name"] for item in document["artifacts"]}
    assert {"packages", "installations"} <= {item["name"] for item in document["caches"]}
    assert all(item["size"] > 0 for item in document["artifacts"])
    (project / f"locks/service/{PLATFORM}.conda-lock.yml").write_text("{")
    assert "is not valid YAML" in done(project, "info").stdout
