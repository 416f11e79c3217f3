import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from grpo_cli.launch import hardware
from grpo_cli.launch.hardware import Gpu

SMI = """0, GPU-aaaa1111-0000, NVIDIA H100 80GB HBM3, 81559
1, GPU-bbbb2222-0000, NVIDIA H100 80GB HBM3, 81559
2, GPU-cccc3333-0000, NVIDIA GB10, [N/A]
"""


def test_nvidia_smi_output_is_read():
    gpus = hardware.parse_smi(SMI)
    assert [g.token for g in gpus] == ["0", "1", "2"]
    assert gpus[0] == Gpu("0", "GPU-aaaa1111-0000", "NVIDIA H100 80GB HBM3", 81559)
    assert gpus[2].memory_mib is None


@pytest.mark.parametrize("text", ["", "No devices were found\n", "NVIDIA-SMI has failed because it couldn't\n"])
def test_nvidia_smi_without_gpus(text):
    assert hardware.parse_smi(text) == ()


@pytest.mark.parametrize(
    ("selection", "tokens"),
    [
        (None, ["0", "1", "2"]),
        ("", []),
        ("-1", []),
        ("2,0", ["2", "0"]),
        ("1,7,0", ["1"]),  # CUDA stops at the first entry that names no GPU
        ("0,0", ["0"]),
        ("GPU-bbbb", ["GPU-bbbb"]),
        ("GPU-", []),  # ambiguous
        ("MIG-1234,MIG-5678", ["MIG-1234"]),
    ],
)
def test_cuda_visible_devices_is_applied_as_cuda_does(selection, tokens):
    assert [g.token for g in hardware.visible(hardware.parse_smi(SMI), selection)] == tokens


def test_a_query_that_hangs_is_given_up(tmp_path: Path, monkeypatch):
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\nexec sleep 30\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(hardware, "QUERY_SECONDS", 0.2)
    hardware.installed_gpus.cache_clear()
    try:
        assert hardware.installed_gpus() == hardware.gpus_from_proc(Path("/proc/driver/nvidia/gpus"))
    finally:
        hardware.installed_gpus.cache_clear()


def test_the_drivers_own_files_serve_when_nvidia_smi_does_not(tmp_path: Path):
    (tmp_path / "0000:65:00.0").mkdir()
    information = "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 18\nGPU UUID: \t GPU-dddd\nDevice Minor: \t 0\n"
    (tmp_path / "0000:65:00.0" / "information").write_text(information)
    assert hardware.gpus_from_proc(tmp_path) == (Gpu("0", "GPU-dddd", "NVIDIA A100-SXM4-40GB", None),)


def test_a_cpu_build_of_torch_has_no_usable_gpu():
    machine = replace(hardware.detect(), gpus=hardware.parse_smi(SMI), torch="2.13.0+cpu", torch_cuda=None)
    assert machine.usable_gpus == ()
    assert len(replace(machine, torch_cuda="13.0").usable_gpus) == 3


def test_the_torch_build_is_read_without_importing_it():
    version, cuda = hardware.torch_build()
    import torch

    assert (version, cuda) == (torch.__version__, torch.version.cuda or torch.version.hip)


@pytest.mark.parametrize(("quota", "cores"), [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1)])
def test_a_cpu_quota_limits_the_cores_cgroup_v2(tmp_path: Path, quota, cores):
    inner = tmp_path / "cgroup" / "pod" / "box"
    inner.mkdir(parents=True)
    (inner.parent / "cpu.max").write_text(quota + "\n")  # set one level above our own
    own = tmp_path / "own"
    own.write_text("0::/pod/box\n")
    free = hardware.usable_cores(tmp_path / "nothing", own)
    assert hardware.usable_cores(tmp_path / "cgroup", own) == min(free, cores or free)


def test_limits_of_cgroup_v1(tmp_path: Path):
    for controller, files in {
        "cpu": {"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000"},
        "memory": {"memory.limit_in_bytes": str(2**30)},
    }.items():
        (tmp_path / controller).mkdir()
        for name, text in files.items():
            (tmp_path / controller / name).write_text(text)
    own = tmp_path / "own"
    own.write_text("4:memory:/box\n1:cpu,cpuacct:/box\n")  # the path is the host's, not visible in here
    (tmp_path / "cpu,cpuacct").symlink_to(tmp_path / "cpu")
    assert hardware.usable_cores(tmp_path, own) == 1
    assert hardware.usable_memory(tmp_path, own) == 2**30


def test_detecting_is_complete_quick_and_ready_for_json():
    import json
    import time

    hardware.installed_gpus.cache_clear()
    started = time.perf_counter()
    machine = hardware.detect()
    assert time.perf_counter() - started < hardware.QUERY_SECONDS
    assert machine.cores >= 1 and 0 < machine.memory_bytes <= psutil.virtual_memory().total
    assert machine.cpu and machine.host and sys.platform in machine.system.lower()
    assert json.loads(json.dumps(machine.as_dict()))["cores"] == machine.cores


def test_memory_that_can_be_had_is_bounded_by_what_the_cgroup_has_left(tmp_path: Path):
    box = tmp_path / "cgroup" / "box"
    box.mkdir(parents=True)
    own = tmp_path / "own"
    own.write_text("0::/box\n")
    (box / "memory.max").write_text("1000000\n")
    (box / "memory.current").write_text("900000\n")
    assert hardware.available_memory(tmp_path / "cgroup", own) == 100_000
    (box / "memory.stat").write_text("anon 1\ninactive_file 50000\n")  # given up before anything else
    assert hardware.available_memory(tmp_path / "cgroup", own) == 150_000
    (box / "memory.max").write_text("max\n")
    free = hardware.available_memory(tmp_path / "cgroup", own)
    assert 1_000_000 < free <= psutil.virtual_memory().total
