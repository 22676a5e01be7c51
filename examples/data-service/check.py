"""Proof that the environment works: each library does one small real thing.

Run it with the environment's own interpreter: `PREFIX/bin/python check.py`. Needs no network,
writes to a temporary directory only. Prints one line a check on stdout; the exit code is 0 if all
pass, and the traceback of the first failure is on stderr otherwise.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

_CREDENTIALS = {"aws_access_key_id": "demo", "aws_secret_access_key": "demo"}
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def check_interpreter() -> str:
    """Python, its standard library and its site-packages lie in one prefix."""
    import bz2  # noqa: PLC0415  # imports are what is checked
    import ctypes  # noqa: PLC0415
    import lzma  # noqa: PLC0415
    import sqlite3  # noqa: PLC0415
    import ssl  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    prefix = Path(sys.prefix).resolve()
    expect(
        Path(sys.executable).resolve().is_relative_to(prefix), "interpreter outside of its prefix"
    )
    foreign = [p for p in sys.path[1:] if p and not Path(p).resolve().is_relative_to(prefix)]
    expect(not foreign, f"foreign places on the module path: {foreign}")
    library = f"lib/python{sysconfig.get_python_version()}/site-packages"
    expect(Path(sysconfig.get_path("purelib")) == Path(sys.prefix, library), "wrong site-packages")
    for module in (bz2, lzma, zlib):
        expect(module.decompress(module.compress(b"cargo")) == b"cargo", module.__name__)
    expect(sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,), "sqlite3")
    expect(ctypes.CDLL(None).abs(-42) == 42, "ctypes")  # noqa: PLR2004
    version_info = ".".join(map(str, sys.version_info[:3]))
    expect(sys.version.startswith(version_info), f"sys.version is {sys.version}")
    expect(ssl.create_default_context() is not None, "ssl")
    return version_info


def check_numpy() -> str:
    """A linear system is solved."""
    import numpy as np  # noqa: PLC0415

    solution = np.linalg.solve(np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([5.0, 10.0]))
    expect(np.allclose(solution, [1.0, 3.0]), "wrong solution")
    return version("numpy")


def check_pandas() -> str:
    """A table is grouped, with time stamps in a time zone."""
    import pandas as pd  # noqa: PLC0415

    when = pd.date_range("2024-01-01", periods=4, freq="h", tz="UTC")
    table = pd.DataFrame({"when": when, "key": list("abab"), "value": [1, 2, 3, 4]})
    expect(table.groupby("key")["value"].sum().to_dict() == {"a": 4, "b": 6}, "wrong sums")
    return version("pandas")


def check_pyarrow() -> str:
    """A table survives a round trip through a compressed Parquet file."""
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pd.DataFrame({"name": ["a", "b"], "value": [1.5, 2.5]})
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "table.parquet")
        pq.write_table(pa.Table.from_pandas(table), path, compression="zstd")
        pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    return version("pyarrow")


def check_scipy() -> str:
    """A minimum is found."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415

    found = minimize_scalar(lambda x: (x - 2.0) ** 2)
    expect(abs(found.x - 2.0) < 1e-6, "wrong minimum")  # noqa: PLR2004
    return version("scipy")


def check_scikit_learn() -> str:
    """A regression finds the line its points lie on."""
    from sklearn.linear_model import LinearRegression  # noqa: PLC0415

    model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    expect(abs(model.predict([[10.0]])[0] - 21.0) < 1e-6, "wrong prediction")  # noqa: PLR2004
    return version("scikit-learn")


def check_matplotlib() -> str:
    """A figure becomes a PNG file, with text in the bundled font."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["MPLCONFIGDIR"] = directory
        import matplotlib as mpl  # noqa: PLC0415

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415

        figure, axes = plt.subplots()
        axes.plot([0, 1, 4, 9])
        axes.set_title("cargo")
        path = Path(directory, "figure.png")
        figure.savefig(path)
        expect(path.read_bytes().startswith(_PNG_MAGIC), "not a PNG file")
    return version("matplotlib")


def check_boto3() -> str:
    """A URL is signed, from the service descriptions in botocore's data files."""
    import boto3  # noqa: PLC0415

    client = boto3.client("s3", region_name="eu-central-1", **_CREDENTIALS)
    url = client.generate_presigned_url("get_object", Params={"Bucket": "cargo", "Key": "bill"})
    expect("cargo" in url and "Signature" in url, "not signed")
    return version("boto3")


def check_s3fs() -> str:
    """Paths are taken apart, and aiobotocore makes a client; nothing is asked of a server."""
    import fsspec  # noqa: PLC0415
    from aiobotocore.session import get_session  # noqa: PLC0415

    async def open_client() -> str:
        session = get_session()
        async with session.create_client(
            "s3", region_name="eu-central-1", **_CREDENTIALS
        ) as client:
            return str(client.meta.region_name)

    expect(asyncio.run(open_client()) == "eu-central-1", "no client")
    files = fsspec.filesystem("s3", anon=True)
    bucket, key, _ = files.split_path("s3://cargo/bill.parquet")
    expect((bucket, key) == ("cargo", "bill.parquet"), "wrong path")
    return f"{version('s3fs')}, fsspec {version('fsspec')}, aiobotocore {version('aiobotocore')}"


def check_scripts() -> str:
    """Entry points start: of a `noarch` package, of a compiled one, and a script of a wheel."""
    binaries = Path(sys.prefix, "bin")
    for command in (["pip", "--version"], ["pip", "check"], ["f2py", "-v"], ["jp.py", "--help"]):
        done = subprocess.run(  # noqa: S603
            [binaries / command[0], *command[1:]], capture_output=True, text=True, check=False
        )
        expect(done.returncode == 0, f"{command}: {done.stdout}{done.stderr}")
    return "pip, f2py, jp.py"


def expect(truth: object, message: str) -> None:
    """Raise `RuntimeError` with this message unless something is true."""
    if not truth:
        raise RuntimeError(message)


def main() -> None:
    """Run all checks in order."""
    checks = (
        check_interpreter,
        check_numpy,
        check_pandas,
        check_pyarrow,
        check_scipy,
        check_scikit_learn,
        check_matplotlib,
        check_boto3,
        check_s3fs,
        check_scripts,
    )
    for check in checks:
        name = check.__name__.removeprefix("check_")
        sys.stdout.write(f"ok {name}: {check()}\n")


if __name__ == "__main__":
    main()
