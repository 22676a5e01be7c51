"""Input files that are sound and use what the formats have, for tests that edit them."""

from pathlib import Path

__all__ = ["ENVIRONMENT", "LOCK", "SETTINGS"]

_PATH = Path(__file__).parents[2] / "locks/pangeo-notebook/linux-64.conda-lock.yml"
_PIP = """\
- name: six
  version: 1.16.0
  manager: pip
  platform: linux-64
  dependencies: {}
  url: https://index.example/packages/py2.py3/s/six/six-1.16.0-py2.py3-none-any.whl
  hash:
    sha256: 8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254
  category: main
  optional: false
"""
LOCK = "\n- name: ".join(_PATH.read_text().split("\n- name: ")[:4]) + "\n" + _PIP
"""The head of a real lock, its first three packages, and one of pip."""

ENVIRONMENT = """\
name: service
channels: [conda-forge, 'https://host.example/channel', nodefaults]
platforms: [linux-64, osx-arm64]
category: main
variables: {KEY: value, NUMBER: 1}
dependencies:
- python >=3.11,<3.13
- conda-forge::numpy=1.26.*=py311*  # [linux]
- 'libblas[version=">=3", build="*mkl"]'
- pip
- pip:
  - requests >=2,<3 ; python_version >= "3.8"
  - six==1.16.0 --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254
  - tool @ https://host.example/tool-1.0-py3-none-any.whl
pip-repositories: ['https://host.example/simple']
allow-pypi-requests: true
"""
SETTINGS = """\
engine = "embedded"
package-layers = ["/layers/a", "b"]
channel-priority = "strict"
[mirrors]
"https://conda.anaconda.org/conda-forge" = ["https://host.example/forge", "mirror"]
[environments.service]
sources = ["environment.yml"]
platforms = ["linux-64"]
channels = ["conda-forge"]
[environments.service.virtual-packages]
glibc = "2.28"
[environments.service.virtual-packages.linux-64]
cuda = "12.0"
"""
