import sys
from pathlib import Path
import tempfile, os
from bench.workshop import *
from bench.yard import Yard
from bench.pack import run_pack
from bench.update import run_update
from bench.growth import run_growth
from bench.lock import run_lock
from bench.install import run_install
def main(a):
    with tempfile.TemporaryDirectory(prefix="lading-bench-") as d:
        w=Workshop(directory=Path(d),demo_channel=(ROOT/'.cache/demo-channel/current').resolve(),inherited=os.environ,pairs=1,quick='-f' not in a)
        if 'lock' in a: print(run_lock(w))
        if 'install' in a: print(run_install(w))
        if 'growth' in a: print(run_growth(w))
        if 'update' in a:
          y=Yard.make(w)
          print(run_update(w,y))
