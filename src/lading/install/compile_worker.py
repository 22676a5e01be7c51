"""Compile python sources to bytecode; run by the python of an environment, never imported.

Usage: python -s -S -B compile_worker.py JOB.json, with PYTHONHASHSEED=0.

JOB.json: {"sources": [[source file, prefix-relative path], ...], "output": directory}. Each source
that compiles gives `<output>/<path of its .pyc>`; the list of those paths, JSON, goes to standard
output. It must run on every python that an environment may hold, 3.7 and later.

The bytecode is of the unchecked-hash kind (PEP 552): it does not depend on the time stamps of the
sources, so it stays valid in a tarball with normalised ones. One process compiles one package, its
files in the order given: `marshal` marks objects by their reference counts, so the same bytes need
the same history of the process.
"""

import importlib.util
import json
import py_compile
import sys
import warnings
from pathlib import Path


def main(job_path: str) -> None:
    """Compile all sources of the job in the file at `job_path`."""
    warnings.simplefilter("ignore")
    job = json.loads(Path(job_path).read_text("utf-8"))
    done = []
    for source, target in job["sources"]:
        relative = importlib.util.cache_from_source(target)
        try:
            py_compile.compile(
                source,
                cfile=str(Path(job["output"], relative)),
                dfile=target,
                doraise=True,
                optimize=0,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except (py_compile.PyCompileError, ValueError, RecursionError):
            # Templates and tests of syntax errors are shipped with a .py name; python itself would
            # not compile them either.
            continue
        done.append(relative)
    json.dump(done, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
