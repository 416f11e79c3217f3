"""Two hosts on one machine: network namespaces joined by a pair of virtual Ethernet devices.

Each has its own interfaces, routes, ports and loopback, its own host name (UTS namespace) and its own /etc/hosts
(mount namespace); a program in one reaches the other over the wire only. The file system is shared, as on a cluster.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("ip", "nsenter", "unshare")


@dataclass(frozen=True)
class Host:
    """One host: its namespace, name, address and interface."""

    namespace: str
    name: str
    address: str
    interface: str
    hosts_file: str

    def command(self, *argv: str) -> list[str]:
        """The command that runs another one on this host."""
        set_up = 'hostname "$0" && mount --bind "$1" /etc/hosts && shift && exec "$@"'
        inside = ["unshare", "--uts", "--mount", "sh", "-c", set_up, self.name, self.hosts_file, *argv]
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *inside]

    def bytes_sent(self) -> int:
        """Bytes that have left this host over its wire."""
        file = f"/sys/class/net/{self.interface}/statistics/tx_bytes"
        # Through `ip netns exec`, which mounts this namespace's own /sys.
        shown = subprocess.run(
            ["ip", "netns", "exec", self.namespace, "cat", file], capture_output=True, text=True, check=True
        )
        return int(shown.stdout)


def why_not() -> str | None:
    """Why no hosts can be made here; None where they can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed (iproute2, util-linux)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = f"probe{uuid.uuid4().hex[:6]}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode:
        return f"network namespaces are not permitted here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", probe], check=False)
    return None


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Make two hosts, 10.77.0.1 and 10.77.0.2, that are gone afterwards with all that runs on them."""
    mark = uuid.uuid4().hex[:6]
    names = {"node-a": "10.77.0.1", "node-b": "10.77.0.2"}
    with tempfile.NamedTemporaryFile("w", prefix="hosts", delete=False) as file:
        file.write("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in names.items()))
    hosts = [
        Host(f"grpo{mark}{i}", name, address, f"eth{mark}{i}", file.name)
        for i, (name, address) in enumerate(names.items())
    ]
    try:
        for host in hosts:
            _ip("netns", "add", host.namespace)
        _ip("link", "add", hosts[0].interface, "type", "veth", "peer", "name", hosts[1].interface)
        for host in hosts:
            _ip("link", "set", host.interface, "netns", host.namespace)
            _ip("-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", host.interface)
            _ip("-n", host.namespace, "link", "set", host.interface, "up")
            _ip("-n", host.namespace, "link", "set", "lo", "up")
        yield hosts[0], hosts[1]
    finally:
        for host in hosts:
            for pid in processes_in(host):
                with contextlib.suppress(OSError):
                    os.kill(pid, 9)
            subprocess.run(["ip", "netns", "del", host.namespace], capture_output=True, check=False)
        Path(file.name).unlink()


def processes_in(host: Host) -> list[int]:
    """The processes that run on a host."""
    shown = subprocess.run(["ip", "netns", "pids", host.namespace], capture_output=True, text=True, check=False)
    return [int(pid) for pid in shown.stdout.split() if Path(f"/proc/{pid}").exists()]


def _ip(*argv: str) -> None:
    subprocess.run(["ip", *argv], check=True, capture_output=True, text=True)
