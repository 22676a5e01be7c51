"""A small project, locked and packed, in which the pages of the documentation can be followed.

Its environment `data-service` has the names that pages use, and weighs some kilobytes.
"""

from pathlib import Path

from simulators.channel import CANONICAL, PLACEHOLDER, ChannelSimulator, File, Package, Symlink
from simulators.interpreter import SITE_PACKAGES, python_package
from simulators.pages import Site

__all__ = ["make_site"]

CONDA_FORGE = "https://conda.anaconda.org/conda-forge"

# What a page's `check.py` and `train.py` do: use packages, and say which and from where.
CHECK = """\
import sys, fsspec, numpy, pandas
print("fsspec", fsspec.__version__, sys.prefix, open(sys.prefix + "/share/place").read().strip())
"""

SERVICE = """\
name: data-service
channels: [conda-forge]
dependencies: [python, pip, six, numpy, pandas, place, {fsspec}]
"""


def _module(name: str, version: str = "1.0", text: str = "") -> Package:
    """A pure package."""
    source = f'__version__ = "{version}"\n{text}'
    return Package(
        name=name,
        version=version,
        noarch="python",
        depends=("python",),
        files={f"site-packages/{name}.py": source.encode()},
        entry_points=(f"{name} = {name}:main",) if text else (),
    )


def _packages() -> tuple[Package, ...]:
    """What the examples of the pages ask for."""
    name = PLACEHOLDER
    return (
        python_package(),
        _module("pip", "26.3", 'def main():\n    print("pip", __version__)\n'),
        _module("fsspec", "2026.7.0"),
        _module("fsspec", "2026.9.0"),
        *(_module(item) for item in ("six", "numpy", "pandas", "pytest", "ipython")),
        Package(
            name="place",
            files={
                "share/place": File(name + b"\n", text=True),
                "bin/perl-like": File(b"#!" + name + b"/bin/python\n", mode=0o755, text=True),
                "lib/libplace.so.1": File(b"\x7fELF" + name + b"/lib\0rest", binary=True),
                "lib/libplace.so": Symlink("libplace.so.1"),
            },
        ),
        Package(
            name="pytorch",
            version="2.7.0",
            build="cuda126_0",
            depends=("python", "__cuda >=12.4"),
            files={f"{SITE_PACKAGES}/torch.py": b""},
        ),
    )


def make_site(root: Path) -> Site:
    """A site at `root` with `data-service` locked and packed, and a newer one in `new/`."""
    site = Site(root=root, variables={"LADING_ENGINE": "embedded"})
    site.prepare()
    channel = ChannelSimulator(root / "channel")
    for package in _packages():
        channel.add(package)
    channel.write_repodata()
    for name in ("check", "train"):
        path = site.project / ("examples/data-service/check.py" if name == "check" else "train.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CHECK)
    mirrors = "".join(f'"{name}" = ["{channel.url}"]\n' for name in (CANONICAL, CONDA_FORGE))
    site.settings.write_text(f"[mirrors]\n{mirrors}")
    (site.project / "lading.toml").write_text(
        f'[environments.data-service]\nsources = ["environment.yml"]\n{site.settings.read_text()}'
    )
    for version, output in (("2026.9.0", "new"), ("2026.7.0", "dist")):
        fsspec = f"fsspec {version}"
        (site.project / "environment.yml").write_text(SERVICE.format(fsspec=fsspec))
        site.done(f"lading -q lock data-service; lading -q pack data-service -o {output}")
    return site
