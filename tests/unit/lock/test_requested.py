"""`lading.lock.requested` and the part of conda-lock that reads sources."""

import json
from pathlib import Path

import pytest

from lading.conda.names import Platform
from lading.conda.virtual import default_virtual_packages
from lading.errors import SpecError
from lading.lock.requested import MAPPING, Requested, ask_conda_lock, read_sources
from simulators.condalock import quick_conda_lock

FORGE = "https://conda.anaconda.org/conda-forge"


def _read(
    tmp_path: Path,
    *texts: str,
    platforms: tuple[Platform, ...] = (Platform.LINUX_64,),
    **more: object,
) -> dict[Platform, Requested]:
    sources = []
    for number, text in enumerate(texts):
        path = tmp_path / f"environment-{number}.yml"
        path.write_text(text)
        sources.append(path)
    known = {platform: default_virtual_packages(platform) for platform in platforms}
    channels = more.get("channels", ())
    conda_lock = quick_conda_lock(tmp_path / "state")
    return ask_conda_lock(read_sources(sources), known, channels, conda_lock)


def _texts(requested: Requested) -> tuple[str, ...]:
    return tuple(spec.text for spec in requested.specs)


def _simple(*dependencies: str, head: str = "channels: [conda-forge]") -> str:
    return head + "\ndependencies:\n" + "".join(f"  - {item}\n" for item in dependencies)


def test_specs_are_normalised(tmp_path: Path) -> None:
    """conda-lock's reading and ours end in the same spelling."""
    text = _simple(
        "python=3.12", "pytorch>=2.7.0=cuda12*", "numpy 1.26", "argopy<1.4.0  # why", "zlib",
        "foo[version='>=1',build=x]", "PyYAML", "numpy 1.26  # once more",
    )  # fmt: skip
    spec = _read(tmp_path, text)
    expected = (
        "argopy <1.4.0", "foo >=1 x", "numpy ==1.26", "python 3.12.*", "pytorch >=2.7.0 cuda12*",
        "pyyaml", "zlib",
    )  # fmt: skip
    assert expected == _texts(spec[Platform.LINUX_64])
    assert spec[Platform.LINUX_64].channels == (FORGE,)


def test_selectors(tmp_path: Path) -> None:
    """Lines are chosen by platform."""
    text = _simple("a  # [linux]", "b  # [osx]", "c")
    spec = _read(tmp_path, text, platforms=(Platform.LINUX_64, Platform.OSX_ARM64))
    assert _texts(spec[Platform.LINUX_64]) == ("a", "c")
    assert _texts(spec[Platform.OSX_ARM64]) == ("b", "c")


def test_selectors_hold_for_every_platform(tmp_path: Path) -> None:
    """Expressions are evaluated, on platforms too that conda-lock knows no words for."""
    text = _simple("a  # [linux]", "b  # [not win and not osx]", "c  # [osx or win]")
    spec = _read(tmp_path, text, platforms=(Platform.LINUX_RISCV64,))
    assert _texts(spec[Platform.LINUX_RISCV64]) == ("a", "b")


def test_a_selector_of_pythons_is_refused(tmp_path: Path) -> None:
    """What is not about platforms is refused with its line, not dropped."""
    with pytest.raises(SpecError, match=r"selector \[py>=38\] of the line '- a # \[py>=38\]'"):
        _read(tmp_path, _simple("a  # [py>=38]"))


def test_a_package_by_its_url(tmp_path: Path) -> None:
    """A URL, with its digest, and a channel with a subdir ask for just this."""
    digest = "ab" * 16
    url = f"https://conda.anaconda.org/conda-forge/linux-64/a-1.0-h1_0.conda#{digest}"
    spec = _read(tmp_path, _simple(f"'{url}'", "conda-forge/noarch::b >=2"))
    found = spec[Platform.LINUX_64]
    forge = "https://conda.anaconda.org/conda-forge"
    assert _texts(found) == (
        f'{forge}::a ==1.0 h1_0[subdir="linux-64",md5="{digest}"]',
        f'{forge}::b >=2[subdir="noarch"]',
    )


def test_merge_keeps_every_constraint(tmp_path: Path) -> None:
    """What one source asks of a package is not overwritten by another."""
    spec = _read(tmp_path, _simple("numpy >=2", "python"), _simple("numpy <3"))
    assert _texts(spec[Platform.LINUX_64]) == ("numpy <3", "numpy >=2", "python")


def test_channels_are_replaced(tmp_path: Path) -> None:
    """Channels that are given replace those of the sources; credentials are dropped."""
    spec = _read(tmp_path, _simple("a"), channels=["https://user:pw@host.invalid/ch/", "bioconda"])
    expected = ("https://host.invalid/ch", "https://conda.anaconda.org/bioconda")
    assert expected == spec[Platform.LINUX_64].channels
    assert "pw@" not in repr(spec)


def test_credentials_in_a_source(tmp_path: Path) -> None:
    """Credentials in a source reach neither the channels nor the hash."""
    one = _read(tmp_path, _simple("a", head="channels: ['https://u:one@host.invalid/ch']"))
    two = _read(tmp_path, _simple("a", head="channels: ['https://u:two@host.invalid/ch']"))
    assert one[Platform.LINUX_64].channels == ("https://host.invalid/ch",)
    assert one == two


def test_spec_with_channel(tmp_path: Path) -> None:
    """A channel in a spec becomes the canonical URL of one of the channels."""
    head = "channels: [conda-forge, 'https://host.invalid/private']"
    spec = _read(tmp_path, _simple("conda-forge::a", "private::b >=1", head=head))
    expected = (f"{FORGE}::a", "https://host.invalid/private::b >=1")
    assert expected == _texts(spec[Platform.LINUX_64])
    with pytest.raises(SpecError, match="elsewhere::c"):
        _read(tmp_path, _simple("elsewhere::c", head=head))


def test_pip_and_categories(tmp_path: Path) -> None:
    """Pip requirements and categories are told apart; pip itself is added where it is needed."""
    spec = _read(
        tmp_path,
        _simple("python"),
        _simple("a", "pip: [Some_Tool>=1, 'other; sys_platform == \"win32\"']").replace(
            "dependencies", "category: dev\ndependencies"
        ),
    )
    found = spec[Platform.LINUX_64]
    assert found.pip_requirements.names == ("some-tool",)
    assert [item["category"] for item in found.pip_requirements.requirements] == ["dev"]
    assert found.categories == {"main": {"python"}, "dev": {"a", "pip"}}
    assert found.optional == {"dev": ("a", "pip", "pip:some-tool")}
    assert found.pip == ("Some_Tool>=1", 'other; sys_platform == "win32"')


def test_both_readers_agree(tmp_path: Path) -> None:
    """Lading's own reading and conda-lock's ask for the same packages."""
    text = _simple("python=3.12", "b  # [linux]", "c  # [osx]", "numpy >=2,<3", "pip: [tool]")
    path = tmp_path / "environment.yml"
    path.write_text(text)
    own = read_sources([path]).on(Platform.LINUX_64)
    asked = _read(tmp_path, text)[Platform.LINUX_64]
    assert sorted(_texts(own)) == sorted(_texts(asked))
    assert (own.pip, own.channels) == (asked.pip, asked.channels)


def test_read_once(tmp_path: Path) -> None:
    """A source that changes after it was read changes nothing."""
    path = tmp_path / "environment.yml"
    path.write_text(_simple("a", "b  # [linux]", head="name: x\nvariables: {X: 1}"))
    sources = read_sources([path])
    path.unlink()
    assert _texts(sources.on(Platform.LINUX_64)) == ("a", "b")
    assert _texts(sources.on(Platform.OSX_64)) == ("a",)
    assert (sources.name, sources.variables) == ("x", {"X": "1"})


def test_hash(tmp_path: Path) -> None:
    """The hash follows what is asked for, not where it stands or how it is laid out."""
    first = _read(tmp_path, _simple("a", "b >=1"))
    other = tmp_path / "elsewhere"
    other.mkdir()
    again = _read(other, _simple("b >=1", "a  # comment"))
    changed = _read(tmp_path, _simple("a", "b >=2"))
    hashes = [item[Platform.LINUX_64].content_hash for item in (first, again, changed)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 64


def test_no_channel(tmp_path: Path) -> None:
    """Without a channel nothing can be solved."""
    with pytest.raises(SpecError, match="no channel"):
        _read(tmp_path, "dependencies: [a]\n")


def test_channels_that_do_not_fit(tmp_path: Path) -> None:
    """Sources whose channels contradict each other are refused."""
    with pytest.raises(SpecError, match="ordered subset"):
        _read(tmp_path, _simple("a"), _simple("b", head="channels: [other]"))


def test_pyproject(tmp_path: Path) -> None:
    """pyproject.toml is read by conda-lock alone."""
    path = tmp_path / "pyproject.toml"
    path.write_text(
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["requests>=2"]\n[tool.conda-lock]\nchannels = ["conda-forge"]\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    )
    known = {Platform.LINUX_64: default_virtual_packages(Platform.LINUX_64)}
    sources = read_sources([path])
    assert not sources.are_understood
    spec = ask_conda_lock(sources, known, (), quick_conda_lock(tmp_path / "state"))
    assert _texts(spec[Platform.LINUX_64]) == ("requests >=2",)
    with pytest.raises(SpecError, match="no such file"):
        read_sources([tmp_path / "x" / path.name])


def test_platforms(tmp_path: Path) -> None:
    """The platforms that the sources name, once each."""
    one, two = tmp_path / "one.yml", tmp_path / "two.yml"
    one.write_text(_simple("a", head="platforms: [osx-64, linux-64]"))
    two.write_text(_simple("a", head="platforms: [linux-64, win-64]"))
    expected = (Platform.OSX_64, Platform.LINUX_64, Platform.WIN_64)
    assert expected == read_sources([one, two]).platforms


def test_mapping() -> None:
    """The table of names is there and says what conda-lock looks for."""
    table = json.loads(MAPPING.read_bytes())
    assert len(table) > 900
    assert all({"conda_name", "pypi_name"} == set(entry) for entry in table.values())
