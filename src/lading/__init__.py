"""lading: environment.yml to locked, relocatable, verified tarballs of conda environments."""

__version__ = "0.1.0"
