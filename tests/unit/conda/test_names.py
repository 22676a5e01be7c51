"""Names of the conda standards."""

import pytest

from lading.conda.names import (
    Platform,
    is_path_separator_free,
    native_platform,
    parse_platform,
)


@pytest.mark.parametrize(
    ("system", "machine", "platform"),
    [
        ("linux", "x86_64", Platform.LINUX_64),
        ("linux", "aarch64", Platform.LINUX_AARCH64),
        ("darwin", "arm64", Platform.OSX_ARM64),
        ("darwin", "x86_64", Platform.OSX_64),
        ("win32", "AMD64", Platform.WIN_64),
    ],
)
def test_the_platform_of_a_machine(system: str, machine: str, platform: Platform) -> None:
    """System and architecture have one conda name."""
    assert platform is native_platform(system, lambda: machine)


def test_a_machine_without_a_name() -> None:
    """A machine that conda does not know is named in the error."""
    with pytest.raises(ValueError, match="there is no platform 'linux-vax'"):
        native_platform("linux", lambda: "vax")


def test_an_unknown_platform_lists_the_known() -> None:
    """Who mistypes a platform is told all there are."""
    with pytest.raises(ValueError, match="known are linux-64, linux-aarch64"):
        parse_platform("linux64")


@pytest.mark.parametrize(
    ("platform", "kinds"),
    [
        (Platform.LINUX_64, (True, False)),
        (Platform.OSX_64, (False, False)),
        (Platform.WIN_64, (False, True)),
    ],
)
def test_kinds_of_platforms(platform: Platform, kinds: tuple[bool, bool]) -> None:
    """Linux and Windows are told from all others."""
    assert kinds == (platform.is_linux, platform.is_windows)


@pytest.mark.parametrize(
    ("name", "answer"),
    [("a", True), ("a.b", True), ("", False), (".", False), ("..", False), ("a/b", False)],
)
def test_path_components(name: str, answer: object) -> None:
    """A name that is one path component can be a directory."""
    assert answer is is_path_separator_free(name)
