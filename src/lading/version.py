"""The version of lading."""

VERSION = "0.1.0"
