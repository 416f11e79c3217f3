"""A worker without its start-up: forked from a server that has imported what a worker imports, once for many cases.

What the composer does around a worker (launching, reporting) is left out; everything the worker itself does is real.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["grpo_cli.training.run", "grpo_cli.jobs.job"])


def run_worker(
    arguments: Sequence[str], folder: Path, timeout: float = 120, checkpoint: Path | None = None
) -> tuple[int | None, str]:
    """Compose a command line in `folder` and do its one worker's work in `folder/run`.

    Args:
        arguments: the command line.
        folder: working directory.
        timeout: seconds after which the worker is killed.
        checkpoint: what it goes on from; None for a fresh start.

    Returns:
        The worker's exit code, and the message it left for the user.
    """
    process = _FORK.Process(target=_work, args=(list(arguments), folder, checkpoint))
    # The server is started with the first process, and what it imports reads this once.
    with patch.dict(os.environ, HF_HUB_OFFLINE="1"):
        process.start()
    process.join(timeout)
    process.kill()
    report = folder / "run" / "logs" / "error-rank0.json"
    return process.exitcode, json.loads(report.read_text())["message"] if report.exists() else ""


def _work(arguments: list[str], folder: Path, checkpoint: Path | None = None) -> None:
    from omegaconf import DictConfig

    from grpo_cli.config import compose
    from grpo_cli.config.freeze import as_dict
    from grpo_cli.jobs.folder import freeze_into
    from grpo_cli.jobs.prepare import prepare
    from grpo_cli.launch.hardware import detect
    from grpo_cli.launch.plan import plan_launch
    from grpo_cli.runs.folder import RunFolder
    from grpo_cli.runs.resume import Resumption
    from grpo_cli.training import worker

    os.chdir(folder)
    run = RunFolder(folder / "run")
    codes: list[int] = []

    def job(cfg: DictConfig, overrides: list[str]) -> None:
        hardware = detect()
        prepare(cfg, hardware)
        config = as_dict(cfg)
        os.environ.update(plan_launch(config["launch"], config["training"], run.root, hardware=hardware).env)
        run.logs.mkdir(parents=True)
        freeze_into(run, cfg, config, overrides, Resumption(run, checkpoint) if checkpoint else None)
        log = run.worker_log.open("w")
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        codes.append(worker.main([str(run.root)]))

    compose.run([*arguments, f"hydra.run.dir={run.root}"], job)
    sys.stdout.flush()
    os._exit(codes[0])


def run_ranks(arguments: Sequence[str], folder: Path, world_size: int, timeout: float = 120) -> list[int | None]:
    """Do the work of all ranks of a run, without accelerate's launcher; the first one's folder is `folder/rank0/run`.

    Returns:
        Their exit codes. (Nothing may be saved while training: each rank has a folder of its own.)
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = {"WORLD_SIZE": str(world_size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    settings = [*arguments, f"launch.num_processes={world_size}", "launch.kind=cpu", "training.save_strategy=no"]
    processes = []
    for rank in range(world_size):
        place = folder / f"rank{rank}"
        place.mkdir(parents=True)
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), **group} if world_size > 1 else {}
        processes.append(_FORK.Process(target=_rank, args=(settings, place, own)))
        with patch.dict(os.environ, HF_HUB_OFFLINE="1"):
            processes[-1].start()
    for process in processes:
        process.join(timeout)
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def _rank(arguments: list[str], folder: Path, own: dict[str, str]) -> None:
    os.environ.update(own)
    _work(arguments, folder)
