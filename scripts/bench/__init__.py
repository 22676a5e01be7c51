"""Measuring lading against the tools that people use today; writes `docs/benchmarks.*`.

A benchmark is no test: nothing here holds a limit of time, and a slow machine fails nothing.
"""
