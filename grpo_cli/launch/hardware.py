"""What this machine has, found without torch: for `launch=auto`, for clear refusals, for the provenance."""

from __future__ import annotations

import csv
import functools
import importlib.util
import math
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

QUERY_SECONDS = 10.0
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU; `token` is what selects it in CUDA_VISIBLE_DEVICES."""

    token: str
    uuid: str
    name: str
    memory_mib: int | None


@dataclass(frozen=True)
class Hardware:
    """A machine as far as a launch is concerned: what this process may use, not what is bolted in."""

    host: str
    system: str
    cpu: str
    cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...]
    torch: str | None
    torch_cuda: str | None

    @property
    def usable_gpus(self) -> tuple[Gpu, ...]:
        """The visible GPUs, none where the installed torch is built without CUDA."""
        return self.gpus if self.torch_cuda else ()

    def as_dict(self) -> dict[str, Any]:
        """All of it, for provenance.json."""
        return asdict(self)


def detect(env: Mapping[str, str] | None = None) -> Hardware:
    """Look at this machine.

    Args:
        env: where CUDA_VISIBLE_DEVICES is read; the process's own environment by default.

    Returns:
        GPUs after CUDA_VISIBLE_DEVICES; cores and memory after affinity and cgroup limits.
    """
    env = os.environ if env is None else env
    version, cuda = torch_build()
    return Hardware(
        host=platform.node(),
        system=platform.platform(),
        cpu=cpu_name(),
        cores=usable_cores(),
        memory_bytes=usable_memory(),
        gpus=visible(installed_gpus(), env.get("CUDA_VISIBLE_DEVICES")),
        torch=version,
        torch_cuda=cuda,
    )


@functools.cache
def installed_gpus() -> tuple[Gpu, ...]:
    """Every NVIDIA GPU the driver shows here, before CUDA_VISIBLE_DEVICES; asked once a process."""
    smi = shutil.which("nvidia-smi")
    if smi:
        query = [smi, "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits"]
        try:
            answer = subprocess.run(query, capture_output=True, text=True, timeout=QUERY_SECONDS, check=True)
            return parse_smi(answer.stdout)
        except (OSError, subprocess.SubprocessError):
            pass  # a driver that hangs or is half installed; its files may still tell
    return gpus_from_proc(Path("/proc/driver/nvidia/gpus"))


def parse_smi(text: str) -> tuple[Gpu, ...]:
    """Read `nvidia-smi --query-gpu=index,uuid,name,memory.total --format=csv,noheader,nounits`."""
    gpus = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) == 4 and row[0].isdigit():
            gpus.append(Gpu(row[0], row[1], row[2], int(row[3]) if row[3].isdigit() else None))
    return tuple(gpus)


def gpus_from_proc(folder: Path) -> tuple[Gpu, ...]:
    """Read the driver's own files (`<bus id>/information`), in bus order as nvidia-smi counts."""
    gpus = []
    for i, file in enumerate(sorted(folder.glob("*/information"))):
        facts = dict(re.findall(r"^([^:\n]+):[ \t]*(.*)$", file.read_text(), re.MULTILINE))
        gpus.append(Gpu(str(i), facts.get("GPU UUID", ""), facts.get("Model", "NVIDIA GPU"), None))
    return tuple(gpus)


def visible(gpus: tuple[Gpu, ...], selection: str | None) -> tuple[Gpu, ...]:
    """Apply CUDA_VISIBLE_DEVICES as CUDA does: in its order, up to the first entry that names no GPU.

    Args:
        gpus: those installed.
        selection: the variable's value (`0,2`, `GPU-8f2a…`, a MIG device; empty: none); None when unset.

    Returns:
        The GPUs a CUDA program would see, each with the token that selects it.
    """
    if selection is None:
        return gpus
    chosen: list[Gpu] = []
    for token in (t.strip() for t in selection.split(",")):
        if token.startswith("MIG-") and gpus:
            # CUDA gives a process one MIG device, however many are listed.
            return (Gpu(token, token, "MIG device", None),)
        found = [g for g in gpus if g.token == token or (token.startswith("GPU-") and g.uuid.startswith(token))]
        if len(found) != 1 or any(found[0].uuid == g.uuid and g.uuid for g in chosen):
            break
        chosen.append(Gpu(token, found[0].uuid, found[0].name, found[0].memory_mib))
    return tuple(chosen)


def torch_build() -> tuple[str | None, str | None]:
    """Version and CUDA (or ROCm) version of the installed torch, read from its `version.py` unimported.

    Returns:
        `("2.13.0+cpu", None)` for a CPU build, `("2.13.0", "13.0")` for a CUDA build, `(None, None)` when
        torch is not installed.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return None, None
    file = Path(spec.origin).with_name("version.py")
    text = file.read_text() if file.exists() else ""
    facts = dict(re.findall(r"^(__version__|cuda|hip)\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE))
    return facts.get("__version__"), facts.get("cuda") or facts.get("hip")


def usable_cores(cgroups: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """CPU cores this process may use: its affinity mask, at most its cgroups' CPU quota (rounded up)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _cgroup_folders(cgroups, own, "cpu"):
        quota, period = _cpu_quota(folder)
        if quota > 0 and period > 0:
            cores = min(cores, math.ceil(quota / period))
    return max(1, cores)


def usable_memory(cgroups: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory this process may use: the machine's, and no more than its cgroups' limit."""
    import psutil

    total = psutil.virtual_memory().total
    for folder in _cgroup_folders(cgroups, own, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text.isdigit():
                total = min(total, int(text))
    return total


def available_memory(cgroups: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that can be had now: free or easily freed, and no more than its cgroups still allow."""
    import psutil

    there = psutil.virtual_memory().available
    for folder in _cgroup_folders(cgroups, own, "memory"):
        for limit, used, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, taken = _read(folder / limit), _read(folder / used)
            if most.isdigit() and taken.isdigit():
                # Files read and not needed any more count as used, and are given up first.
                kept = re.search(rf"^{cached} (\d+)$", _read(folder / "memory.stat"), re.MULTILINE)
                there = min(there, int(most) - int(taken) + (int(kept[1]) if kept else 0))
    return max(0, there)


def cpu_name() -> str:
    """The processor's model name."""
    found = re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return found.group(1) if found else platform.processor() or platform.machine()


def _cgroup_folders(cgroups: Path, own: Path, controller: str) -> list[Path]:
    """Folders whose limits bind this process: its own cgroup and every one above, v1 and v2."""
    folders: list[Path] = []
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            root = cgroups
        elif controller in controllers.split(","):
            root = cgroups / controller
        else:
            continue
        # In a container the path is the host's and may not exist here; the root then is our own cgroup.
        inside = root / path.lstrip("/")
        folders += [f for f in (inside, *inside.parents) if f == root or root in f.parents]
    return folders


def _cpu_quota(folder: Path) -> tuple[int, int]:
    """CPU microseconds a period, and the period; -1 for no limit."""
    text = _read(folder / "cpu.max").split()
    if len(text) != 2:
        text = [_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")]
    try:
        return int(text[0]), int(text[1])
    except ValueError:
        return -1, -1


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
