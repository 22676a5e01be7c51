"""Compile python sources to bytecode; run by the python of an environment, never imported.

Usage: python -s -S -B compile_worker.py JOB, with PYTHONHASHSEED=0.

JOB holds, each ended by a zero byte, the output directory, for each source its prefix-relative path
and its size in bytes, and an empty word; then the sources, one behind the other. Each that compiles
gives `<output>/<path of its .pyc>`, in directories that are there; the paths of those files go to
standard output, each ended by a zero byte. It must run on every python that an environment may
hold, 3.7 and later.

The bytecode is of the unchecked-hash kind (PEP 552): it does not depend on the time stamps of the
sources, so it stays valid in a tarball with normalised ones. One process compiles one package, its
files in the order given: `marshal` marks objects by their reference counts, so the same bytes need
the same history of the process. Most of what is imported here python has loaded when it starts:
with `py_compile`, and what that imports, starting takes more than twice as long.
"""

import _frozen_importlib_external as loaders
import _imp
import marshal
import sys
import warnings

UNCHECKED_HASH = (1).to_bytes(4, "little")


def main(job_path: str) -> None:
    """Compile all sources of the job in the file at `job_path`."""
    warnings.simplefilter("ignore")
    with open(job_path, "rb") as stream:  # noqa: PTH123  # pathlib takes long to import
        words, _, contents = stream.read().partition(b"\0\0")
    output, *rest = words.decode("utf-8").split("\0")
    key = int.from_bytes(loaders.MAGIC_NUMBER, "little")
    end = 0
    for target, size in zip(rest[::2], rest[1::2]):  # noqa: B905  # unknown to 3.7
        start, end = end, end + int(size)
        data = contents[start:end]
        try:
            code = compile(data, target, "exec", dont_inherit=True, optimize=0)
            content = marshal.dumps(code)
        except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError):
            # Templates and tests of syntax errors are shipped with a .py name; python itself would
            # not compile them either.
            continue
        header = loaders.MAGIC_NUMBER + UNCHECKED_HASH + _imp.source_hash(key, data)
        relative = loaders.cache_from_source(target)
        with open(output + "/" + relative, "wb") as stream:  # noqa: PTH123  # as above
            stream.write(header + content)
        sys.stdout.buffer.write(relative.encode("utf-8") + b"\0")


if __name__ == "__main__":
    main(sys.argv[1])
