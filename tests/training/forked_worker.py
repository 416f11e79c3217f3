"""A worker without its start-up: forked from a server that has imported what a worker imports, once for many cases.

What the composer does around a worker (launching, reporting) is left out; everything the worker itself does is real.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["grpo_cli.training.run", "grpo_cli.commands._job"])


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


def _work(arguments: list[str], folder: Path, checkpoint: Path | None) -> None:
    from omegaconf import DictConfig

    from grpo_cli.commands._job import freeze_into
    from grpo_cli.commands._prepare import prepare
    from grpo_cli.config import compose
    from grpo_cli.config.freeze import as_dict
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
