"""A Slurm cluster of its own for a test: munged, slurmctld, and a slurmd on each host, all in one temporary folder.

On two hosts made by namespaces.py; node-a is also where slurmctld runs and from where jobs are submitted. Nothing of
an installed Slurm's configuration is read, and all of it has ended afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import namespaces
from namespaces import Host

DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "srun", "squeue", "scontrol", "scancel")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])

CONF = """\
ClusterName=rig
SlurmctldHost=node-a
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool-%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=1,sched_interval=2,sched_min_interval=0,bf_interval=1
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=5
JobRequeue=1
NodeName=node-a NodeAddr=10.77.0.1 CPUs={cpus} State=UNKNOWN
NodeName=node-b NodeAddr=10.77.0.2 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=node-a,node-b Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why no cluster can be made here; None where it can."""
    missing = [name for name in (*DAEMONS, *COMMANDS) if shutil.which(name, path=PATH) is None]
    if missing:
        return f"{', '.join(missing)} not installed (slurm-wlm, munge)"
    return namespaces.why_not()


class Cluster:
    """A running cluster of two nodes.

    Args:
        root: its folder.
        hosts: node-a and node-b.
    """

    def __init__(self, root: Path, hosts: Sequence[Host]) -> None:
        self.root = root
        self.hosts = hosts
        self._started: list[subprocess.Popen] = []

    @property
    def environment(self) -> dict[str, str]:
        """What Slurm's commands need to know of it."""
        return {"SLURM_CONF": str(self.root / "slurm.conf"), "PATH": PATH}

    def start(self) -> None:
        """Start the daemons and wait until both nodes are idle."""
        for name in ("state", "spool-node-a", "spool-node-b"):
            (self.root / name).mkdir(parents=True)
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        (self.root / "slurm.conf").write_text(CONF.format(root=self.root, cpus=os.cpu_count()))
        munge = {"key-file": key, "socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log"}
        options = [f"--{name}={self.root / str(file)}" for name, file in munge.items()]
        self._spawn("munged", "--foreground", "--force", f"--seed-file={self.root}/munge.seed", *options)
        self._wait_for(lambda: (self.root / "munge.socket").exists(), "munged")
        conf = ("-f", str(self.root / "slurm.conf"))
        self._spawn(*self.hosts[0].command("slurmctld", "-D", *conf))
        for host in self.hosts:
            self._spawn(*host.command("slurmd", "-D", *conf))
        self._wait_for(lambda: self.run("sinfo", "-h", "-o", "%t %D").stdout.split() == ["idle", "2"], "slurmd")

    def run(self, *argv: str, **options) -> subprocess.CompletedProcess[str]:
        """Run a command on node-a."""
        env = {**os.environ, **options.pop("env", {}), **self.environment}
        command = self.hosts[0].command(*argv)
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, **options)

    def states(self) -> dict[str, str]:
        """Every job the controller knows of, by id, with its state."""
        shown = self.run("squeue", "-h", "-t", "all", "-r", "-o", "%i %T")
        return dict(line.split() for line in shown.stdout.splitlines())

    def wait(self, seconds: float = 180.0) -> dict[str, str]:
        """Wait until no job waits or runs."""
        self._wait_for(lambda: not self.run("squeue", "-h").stdout.strip(), "the jobs", seconds)
        return self.states()

    def log(self) -> str:
        """What the controller last did, for a test that fails."""
        return (self.root / "slurmctld.log").read_text()[-4000:]

    def stop(self) -> None:
        """End the daemons, the last started first."""
        for process in reversed(self._started):
            process.terminate()
        for process in self._started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
            process.kill()
            process.wait()

    def _spawn(self, *argv: str) -> None:
        log = (self.root / "daemons.log").open("ab")
        env = {**os.environ, "PATH": PATH}
        self._started.append(subprocess.Popen(argv, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def _wait_for(self, done, what: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                logs = "\n".join(file.read_text()[-1500:] for file in self.root.glob("*.log"))
                raise AssertionError(f"{what}: not ready within {seconds} s\n{logs}")
            time.sleep(0.2)


@contextlib.contextmanager
def cluster(root: Path) -> Iterator[Cluster]:
    """A cluster in a folder of its own; its path must be short (it holds a Unix socket)."""
    with namespaces.two_hosts() as hosts:
        made = Cluster(root, hosts)
        try:
            made.start()
            yield made
        finally:
            made.stop()
