"""The environment of the workers: what is promised to them, what is taken out, what may be imported."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import grpo_cli
from grpo_cli.errors import ConfigError
from grpo_cli.launch.hardware import Gpu
from grpo_cli.launch.identity import own_identity
from grpo_cli.launch.worker_guard import COMPOSER

RUN_ID = "GRPO_TRAIN_RUN"  # one value per launch; whatever carries it belongs to that launch
WORLD_SIZE = "GRPO_TRAIN_WORLD_SIZE"  # what the worker must find, see DESIGN.md: accelerate may start fewer
KIND = "GRPO_TRAIN_LAUNCH"  # cpu | single_gpu | multi_gpu

# Left by an outer launcher (a cluster's, a notebook's, another accelerate's), these would make a worker join
# a group that is not there or train under another plan than ours.
_FOREIGN = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK"}
_FOREIGN |= {"MASTER_ADDR", "MASTER_PORT", "FORK_LAUNCHED", "HYDRA_FULL_ERROR"}
_FOREIGN_PREFIXES = ("ACCELERATE_USE_", "ACCELERATE_MIXED_", "ACCELERATE_DYNAMO_", "TORCHELASTIC_", "FSDP_")
_OURS = (RUN_ID, WORLD_SIZE, KIND, COMPOSER)


def worker_environment(
    base: Mapping[str, str],
    extra: Mapping[str, str],
    *,
    kind: str,
    world_size: int,
    gpus: Iterable[Gpu],
    run_id: str,
    threads: int | None,
    cores: int,
    deepspeed: bool = False,
) -> dict[str, str]:
    """Build the workers' environment.

    Args:
        base: the user's own environment.
        extra: `launch.env`; wins over everything but the variables that are promises to the worker.
        kind: cpu, single_gpu or multi_gpu.
        world_size: ranks.
        gpus: those the ranks may see, one a rank.
        run_id: the launch's own name.
        threads: `launch.threads`; None leaves OMP_NUM_THREADS to the user, else `cores // world_size`.
        cores: usable CPU cores.
        deepspeed: whether DeepSpeed carries the ranks.

    Returns:
        A complete environment.

    Raises:
        ConfigError: `launch.env` sets one of this program's own variables.
    """
    for name in _OURS:
        if name in extra:
            raise ConfigError(f"launch.env.{name} is grpo-train's own variable; take it out of launch.env.")
    env = without_foreign(base)
    env.setdefault("OMP_NUM_THREADS", str(max(1, cores // world_size)))
    # Threads that spin while they wait for each other slow a busy machine down tenfold; threads that sleep at
    # once make an idle one a third slower. So they spin, briefly (libgomp, which torch brings), then sleep.
    env.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    env.setdefault("GOMP_SPINCOUNT", "3000")
    env.setdefault("TOKENIZERS_PARALLELISM", "false")
    env["PYTHONUNBUFFERED"] = "1"
    env["PYTHONPATH"] = python_path(env.get("PYTHONPATH", ""))
    env["PYTHONSAFEPATH"] = "1"
    if kind == "cpu":
        # Where accelerate is told of the CPU it leaves DeepSpeed out; it finds the CPU by training.use_cpu as well.
        env |= {"DS_ACCELERATOR": "cpu"} if deepspeed else {"ACCELERATE_USE_CPU": "true"}
        if world_size > 1 and Path("/sys/class/net/lo").exists():
            # gloo takes the interface the host's name resolves to, which in a container may lead nowhere.
            env.setdefault("GLOO_SOCKET_IFNAME", "lo")
    elif "CUDA_VISIBLE_DEVICES" not in base:
        env.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # the order in which nvidia-smi counted them
    env |= extra
    # Exactly one GPU a rank (none on CPU): a single process that sees several would train with DataParallel.
    # `gpus` were chosen under launch.env's own CUDA_VISIBLE_DEVICES where that has one.
    env["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.token for gpu in gpus)
    if threads is not None:
        env["OMP_NUM_THREADS"] = str(threads)
    env |= {RUN_ID: run_id, WORLD_SIZE: str(world_size), KIND: kind, COMPOSER: own_identity()}
    return env


def without_foreign(base: Mapping[str, str]) -> dict[str, str]:
    """An environment without what an outer launcher left in it for processes of its own."""
    return {k: v for k, v in base.items() if k not in _FOREIGN and not k.startswith(_FOREIGN_PREFIXES)}


def python_path(inherited: str) -> str:
    """PYTHONPATH under which a worker imports this very grpo_cli and the modules in the working directory.

    `python -m` would put the working directory first, and so prefer a `grpo_cli/` or `datasets.py` that
    happens to lie there: PYTHONSAFEPATH turns that off, and the directory comes last here instead.
    """
    package = str(Path(grpo_cli.__file__).resolve().parents[1])
    entries = [package, *(e for e in inherited.split(os.pathsep) if e), str(Path.cwd())]
    return os.pathsep.join(dict.fromkeys(entries))
