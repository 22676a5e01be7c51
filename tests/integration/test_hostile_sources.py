"""Hostile sources, settings and locks: a plain error, exit code 3, no secret, no escape."""

from pathlib import Path

import pytest

from simulators.command import lading

SECRET = "hunter2"  # noqa: S105  # looked for in what is printed
HEAD = "channels: [conda-forge]\ndependencies:\n- python\n"
PROJECT = '[project]\nname = "x"\nversion = "1"\n[tool.conda-lock]\nchannels = ["conda-forge"]\n'
BUILD = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
DEEP = "[" * 100_000


def _pip(line: str) -> str:
    return f"{HEAD}- pip: ['{line}']\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(DEEP, "is not valid YAML: more than 64", id="deep"),
        pytest.param(BOMB + "? *a11\n: x\n", "more than 5,000,000 values", id="bomb as a key"),
        pytest.param("#" * 50_000_000, "larger than 32 MiB", id="huge comment"),
        pytest.param(
            f"name: {'9' * 5000}\n{HEAD}", "has more than 1000 characters", id="long integer"
        ),
        pytest.param(f"name: ../../evil\n{HEAD}", "cannot name an environment", id="name: path"),
        pytest.param(f'name: "a\\e[31mb"\n{HEAD}', "cannot name an environment", id="name: escape"),
        pytest.param(f"name: -rf\n{HEAD}", "cannot name an environment", id="name: option"),
        pytest.param(
            f'variables: {{"X=1;touch pwned;Y": z}}\n{HEAD}', "names are letters", id="variable"
        ),
        pytest.param(f'{HEAD}- "a\\e[2Jb"\n', "control characters", id="spec: escape"),
        pytest.param(
            _pip(f"--extra-index-url https://u:{SECRET}@host.invalid/simple tool"),
            "a URL is malformed",
            id="pip option",
        ),
        pytest.param(
            _pip(f"git+https://u:{SECRET}@host.invalid/x.git"), "no digest to lock", id="git"
        ),
        pytest.param(
            _pip(f"x[a] @ git+https://u:{SECRET}@host.invalid/x.git"),
            "no digest to lock",
            id="named git",
        ),
        pytest.param(
            _pip(f"https://u:{SECRET}@host.invalid/x-1-py3-none-any.whl"),
            "has no name",
            id="bare URL",
        ),
        pytest.param(
            _pip(f"x @ https://u:{SECRET}@host.invalid/x-1-py3-none-any.whl; bogus"),
            "cannot use the requirement",
            id="marker",
        ),
        pytest.param(
            f"{HEAD}- https://u:{SECRET}@host.invalid/t/{SECRET}/c::a >=\n",
            "cannot use the MatchSpec",
            id="channel of a spec",
        ),
    ],
)
def test_environment_file(tmp_path: Path, text: str, words: str) -> None:
    """An environment file that attacks is refused where it is read."""
    (tmp_path / "environment.yml").write_text(text)
    _assert_refused(tmp_path, ["lock"], words)
    _assert_refused(tmp_path, ["lock", "--check"], words)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        pytest.param("pyproject.toml", f"a = {DEEP}", "not valid TOML", id="deep TOML"),
        pytest.param("pyproject.toml", f"a = {'9' * 5000}", "not valid TOML", id="long integer"),
        pytest.param(
            "pyproject.toml",
            PROJECT.replace(
                "[tool", f'dependencies = ["x @ git+https://u:{SECRET}@h.invalid/x"]\n[tool'
            )
            + BUILD,
            "x is not a conda package",
            id="git",
        ),
        pytest.param("pyproject.toml", PROJECT, "[build-system]", id="no build system"),
        pytest.param("meta.yaml", "package:\n  name: {{ y }\n", "unexpected '}'", id="template"),
        pytest.param("meta.yaml", f"package: {DEEP}", "conda-lock", id="deep YAML"),
        pytest.param("meta.yaml", "package: [x\n", "conda-lock", id="no YAML"),
    ],
)
def test_foreign_source(tmp_path: Path, name: str, text: str, words: str) -> None:
    """What only conda-lock reads ends in an error of ours, however conda-lock ends."""
    (tmp_path / name).write_text(text)
    (tmp_path / "lading.toml").write_text("")
    _assert_refused(tmp_path, ["lock", name, "-n", "service"], words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(f"a = {DEEP}", "is not valid TOML", id="deep"),
        pytest.param(f"a = {'9' * 5000}", "is not valid TOML", id="long integer"),
        pytest.param("#" * 50_000_000, "larger than 32 MiB", id="huge"),
        pytest.param('[environments."../x"]', "cannot name an environment", id="path"),
        pytest.param('[environments."a\\u001b[31m"]', "cannot name an environment", id="escape"),
    ],
)
def test_settings(tmp_path: Path, text: str, words: str) -> None:
    """Settings that attack are refused by every command that reads them."""
    (tmp_path / "lading.toml").write_text(text)
    _assert_refused(tmp_path, ["lock"], words)


def test_an_unreadable_file(tmp_path: Path) -> None:
    """A read error of the disk is an error of ours."""
    for name, command in (("lading.toml", ["lock"]), ("environment.yml", ["lock", "--check"])):
        path = tmp_path / name
        # Reading the memory of a process where nothing is mapped gives EIO.
        path.symlink_to("/proc/self/mem")
        _assert_refused(tmp_path, command, "Input/output error")
        path.unlink()


@pytest.mark.parametrize("name", ["../evil", "a\x1b[31mb", ".", "-x"])
def test_name_of_the_command_line(tmp_path: Path, name: str) -> None:
    """A name that leads elsewhere is wrong usage."""
    (tmp_path / "environment.yml").write_text(HEAD)
    for words in (["lock", f"--name={name}"], ["lock", "--check", f"--name={name}"]):
        done = lading(words, tmp_path)
        assert (2, True) == (done.code, done.is_plain_error), done.stderr
        assert "cannot name an environment" in done.stderr
        assert "\x1b" not in done.stderr
    assert not list(tmp_path.parent.glob("evil*"))


def _assert_refused(directory: Path, command: list[str], words: str) -> None:
    done = lading(command, directory)
    assert (3, True) == (done.code, done.is_plain_error), done.stderr
    assert words in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert len(done.stderr) < 5000
    assert not (directory / "locks").exists()


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    """A home directory that is none, or credentials that are nested deeply, end in one error."""
    (tmp_path / "environment.yml").write_text(HEAD)
    (tmp_path / "home").write_text(DEEP)
    for name in ("HOME", "RATTLER_AUTH_FILE"):
        done = lading(["lock"], tmp_path, {name: str(tmp_path / "home")})
        assert (3, True) == (done.code, done.is_plain_error), done.stderr


def test_a_deep_prefix_record(tmp_path: Path) -> None:
    """A record of a prefix that is nested deeply is named."""
    record = tmp_path / "prefix/conda-meta/a-1-0.json"
    record.parent.mkdir(parents=True)
    record.write_text(f'{{"x": {DEEP}')
    (tmp_path / "environment.yml").write_text(HEAD)
    words = ["lock", "--from-prefix", "prefix", "-p", "linux-64"]
    _assert_refused(tmp_path, words, "is not a prefix record: it is nested too deeply")
