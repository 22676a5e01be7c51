"""Values of the conda standards: names, records, paths, channels, virtual packages. Pure."""
