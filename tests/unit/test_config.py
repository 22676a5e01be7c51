"""Settings."""

from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.config import EnvironmentSettings, Settings, read_settings
from lading.errors import SpecError

TABLE = """
engine = "embedded"
channel-priority = "disabled"
[environments.service]
sources = ["a.yml", "b.yml"]
platforms = ["linux-64"]
channels = ["conda-forge"]
[environments.service.virtual-packages]
glibc = "2.17"
[mirrors]
"https://demo.invalid/channel/" = ["mirror", "https://b.invalid/c"]
"""


def settings_of(directory: Path, text: str, name: str = "lading.toml") -> Settings:
    """The settings that a file with `text` gives."""
    (directory / name).write_text(text)
    return read_settings(directory)


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    """A directory without settings has none."""
    assert Settings() == read_settings(tmp_path)


def test_an_environment_is_read(tmp_path: Path) -> None:
    """All keys of an environment are kept."""
    assert (
        EnvironmentSettings(
            sources=("a.yml", "b.yml"),
            platforms=("linux-64",),
            channels=("conda-forge",),
            virtual_packages={"glibc": "2.17"},
        )
        == settings_of(tmp_path, TABLE).environments["service"]
    )


def test_virtual_packages_of_a_platform(tmp_path: Path) -> None:
    """A table of a platform says more than what is written for all."""
    table = """
[environments.service.virtual-packages]
glibc = "2.17"
__cuda = "12.4"
[environments.service.virtual-packages.linux-aarch64]
glibc = "2.34"
"""
    found = settings_of(tmp_path, table).environments["service"]
    assert {"__glibc": "2.17", "__cuda": "12.4"} == found.virtual_packages_of(Platform.LINUX_64)
    assert {"__glibc": "2.34", "__cuda": "12.4"} == found.virtual_packages_of(
        Platform.LINUX_AARCH64
    )


def test_engine_and_priority_are_read(tmp_path: Path) -> None:
    """The keys at the top are kept."""
    settings = settings_of(tmp_path, TABLE)
    assert ("embedded", False) == (settings.engine, settings.strict_priority)


def test_a_relative_mirror_is_relative_to_the_file(tmp_path: Path) -> None:
    """A mirror without scheme is a directory beside the configuration file."""
    url = "https://demo.invalid/channel/noarch/x.conda"
    assert (
        f"{(tmp_path / 'mirror').as_uri()}/noarch/x.conda",
        "https://b.invalid/c/noarch/x.conda",
    ) == settings_of(tmp_path, TABLE).mirrors.locations(url)


def test_pyproject_is_read_too(tmp_path: Path) -> None:
    """`[tool.lading]` is the same table."""
    text = '[tool.lading]\nengine = "micromamba"\n'
    assert "micromamba" == settings_of(tmp_path, text, "pyproject.toml").engine


def test_a_pyproject_of_something_else_is_passed_over(tmp_path: Path) -> None:
    """A pyproject without the table holds no settings."""
    assert Settings() == settings_of(tmp_path, "[tool.ruff]\n[project]\n", "pyproject.toml")


def test_the_file_of_its_own_comes_first(tmp_path: Path) -> None:
    """`lading.toml` wins over `pyproject.toml`."""
    (tmp_path / "pyproject.toml").write_text('[tool.lading]\nengine = "micromamba"\n')
    assert "embedded" == settings_of(tmp_path, 'engine = "embedded"\n').engine


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("engine =", "is not valid TOML"),
        ("engines = 'x'", "unknown field `engines`"),
        ("engine = 3", "Expected `str`, got `int`"),
        ("channel-priority = 'flexible'", "channel-priority is 'flexible'"),
        ("[environments.a]\nsource = []", "unknown field `source`"),
        (
            "[environments.a.virtual-packages.linux-65]\nglibc = '2.17'",
            "environments.a.virtual-packages: there is no platform 'linux-65'",
        ),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    """What is wrong with the file is said, with its path."""
    with pytest.raises(SpecError, match=complaint) as caught:
        settings_of(tmp_path, text)
    assert str(tmp_path / "lading.toml") in caught.value.message


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """A binary file is not valid TOML."""
    (tmp_path / "lading.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match="is not valid TOML"):
        read_settings(tmp_path)


def test_package_layers_are_absolute(tmp_path: Path) -> None:
    """Layers are named relative to the file, or absolute."""
    settings = settings_of(tmp_path, 'package-layers = ["shared", "/srv/pkgs"]')
    assert (tmp_path / "shared", Path("/srv/pkgs")) == settings.package_layers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 100_000, "not valid TOML: it is too deep"),
        ("a" + ".a" * 100_000 + " = 1", "not valid TOML: it is too deep"),
        ("a = " + "9" * 5000, "not valid TOML: Exceeds the limit"),
        ("#" * 50_000_000, "larger than 32 MiB"),
        ('[environments."../x"]', "'../x' cannot name an environment"),
        ('[environments."a\\u001b[31m"]', "cannot name an environment"),
    ],
)
def test_hostile_settings(tmp_path: Path, text: str, message: str) -> None:
    """What is deep, huge or leads elsewhere is an error of ours."""
    with pytest.raises(SpecError, match=message) as caught:
        settings_of(tmp_path, text)
    assert "\x1b" not in str(caught.value)


def test_a_disk_that_fails(tmp_path: Path) -> None:
    """A read error is an error of ours; the memory of a process gives one."""
    (tmp_path / "lading.toml").symlink_to("/proc/self/mem")
    with pytest.raises(SpecError, match="Input/output error"):
        read_settings(tmp_path)
