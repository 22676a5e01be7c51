"""A real Slurm of several nodes on this machine, for tests; root starts it.

with running_slurm(root, nodes=2, private={Path("/opt"): "opt"}) as cluster:
    subprocess.run(["srun", "-N2", "hostname"], env=cluster.variables)

Every daemon is a child of this process, in the foreground: nothing is left behind. A node is a
`slurmd` with a mount and a UTS namespace of its own, so it has its own host name and its own
content in `private` directories, as if it had a disk.
"""

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

__all__ = ["Cluster", "running_slurm"]

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "unshare")
PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SETTINGS = """\
ClusterName=lading
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={munge}
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=5
SchedulerParameters=batch_sched_delay=0,sched_interval=1
"""
CORES = 32
SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Slurm that runs.

    Attributes:
        settings: Its `slurm.conf`.
        nodes: Their names.
    """

    settings: Path
    nodes: Sequence[str]

    @property
    def variables(self) -> Mapping[str, str]:
        """What a client of it needs."""
        return {"PATH": PATH, "SLURM_CONF": str(self.settings)}

    def ask(self, *argv: str) -> str:
        """What a program of Slurm says."""
        done = subprocess.run(
            argv, env=self.variables, capture_output=True, text=True, timeout=SECONDS, check=True
        )
        return done.stdout.strip()

    def add_settings(self, text: str) -> None:
        """Go on with more lines in `slurm.conf`."""
        with self.settings.open("a", encoding="utf-8") as stream:
            stream.write(text)
        self.ask("scontrol", "reconfigure")

    def wait_for_jobs(self) -> None:
        """Wait until no job is left and every node is idle, none of them drained."""
        wait_until(lambda: not self.ask("squeue", "-h"), "jobs are left")
        wait_until(self.is_idle, "not every node is idle")

    def is_idle(self) -> bool:
        """Whether every node waits for work."""
        idle = self.ask("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split()
        return set(idle) == set(self.nodes)


@contextmanager
def running_slurm(root: Path, nodes: int, private: Mapping[Path, str]) -> Iterator[Cluster]:
    """A Slurm with so many nodes, whose files lie below `root`.

    Skips the test where Slurm is not installed.

    Args:
        root: A new directory.
        nodes: How many.
        private: Directories that exist → name of what each node has there instead.
    """
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (slurm-wlm, munge)")
    (root / "state").mkdir(parents=True)
    names = [f"node{number}" for number in range(1, nodes + 1)]
    cluster = Cluster(settings=root / "slurm.conf", nodes=names)
    hosts = Path("/etc/hosts").read_text() + "".join(f"127.0.0.1 {name}\n" for name in names)
    (root / "hosts").write_text(hosts)
    with ExitStack() as running:
        # Everybody must be able to reach the socket of munge, so its directory is one of its own.
        munge = Path(running.enter_context(TemporaryDirectory(prefix="lading-munge-")))
        cluster.settings.write_text(_settings(root, munge / "socket", names))
        _start(running, root, cluster, "munged", _munged(munge))
        wait_until((munge / "socket").exists, f"munged does not answer, see {root}/munged.out")
        _start(running, root, cluster, "slurmctld", ["slurmctld", "-D", "-c"])
        for name in names:
            _start(running, root, cluster, name, _node(root, name, private))
        wait_until(cluster.is_idle, f"Slurm does not start, see {root}")
        try:
            yield cluster
        finally:
            # A node that ends leaves its jobs alive.
            cluster.ask("scancel", "--full", "--user=root")
            wait_until(lambda: not cluster.ask("squeue", "-h"), "jobs are left")


def wait_until(is_so: Callable[[], bool], otherwise: str) -> None:
    """Wait until it is so.

    Raises:
        TimeoutError: It is not for too long.
    """
    limit = time.monotonic() + SECONDS
    while not is_so():
        if time.monotonic() > limit:
            raise TimeoutError(otherwise)
        time.sleep(0.05)


def _settings(root: Path, munge: Path, names: Sequence[str]) -> str:
    with ExitStack() as taken:
        sockets = [taken.enter_context(socket.socket()) for _ in (*names, "slurmctld")]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        port, *ports = [str(item.getsockname()[1]) for item in sockets]
    lines = [
        f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port_of_node} "
        f"CPUs={CORES} CoresPerSocket={CORES} RealMemory=2000\n"
        for name, port_of_node in zip(names, ports, strict=True)
    ]
    partition = f"PartitionName=main Nodes={','.join(names)} Default=YES OverSubscribe=YES\n"
    return SETTINGS.format(root=root, port=port, munge=munge) + "".join(lines) + partition


def _munged(directory: Path) -> list[str]:
    key = directory / "key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    directory.chmod(0o755)
    options = {"key-file": key, "socket": directory / "socket", "pid-file": directory / "pid"}
    options |= {"log-file": directory / "log", "seed-file": directory / "seed"}
    return ["munged", "-F", *(f"--{name}={path}" for name, path in options.items())]


def _node(root: Path, name: str, private: Mapping[Path, str]) -> list[str]:
    commands = [f"hostname {name}", f"mount --bind {root}/hosts /etc/hosts"]
    for place, kind in private.items():
        own = root / "disks" / name / kind
        own.mkdir(parents=True)
        commands.append(f"mount --bind {own} {place}")
    commands.append(f"exec slurmd -D -N {name}")
    apart = ["unshare", "--mount", "--uts", "--propagation", "private"]
    return [*apart, "sh", "-ec", "; ".join(commands)]


def _start(
    running: ExitStack, root: Path, cluster: Cluster, name: str, command: Sequence[str]
) -> None:
    """Start a daemon, which is ended with the others, in reverse order."""
    with (root / f"{name}.out").open("wb") as log:
        child = subprocess.Popen(
            command, env=cluster.variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    running.callback(_end, child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
