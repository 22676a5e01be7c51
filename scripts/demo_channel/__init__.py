"""A real conda channel made of nothing but the running interpreter and wheels from PyPI.

    failure      the one error of this tool
    package      values: target, package, package file, placeholder
    archive      `.conda` archives, byte for byte reproducible
    elf          needed libraries, RPATH, neutral build paths
    interpreter  the base installation: what it is, which of its files are cargo
    python       the `python`, `python_abi` and C runtime packages
    requirements Requires-Dist to MatchSpec
    entry_points console scripts
    wheels       wheel to package
    download     which wheels, resolved once and remembered
    channel      everything together: digest of inputs, parallel build, index, publication
    command      the command line

A module imports only from those above it in this list.
"""
