"""The ranks of a run without their start-up: forked from a server that has imported what they import.

What the composer does around them (supervising, reporting) is left out; everything the ranks do is real. What
`accelerate launch` would put into their environment comes from accelerate itself, out of the very command line that
grpo-train would start; torchrun's part, numbering the ranks, is played here.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import traceback
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["grpo_cli.training.run", "grpo_cli.jobs.job", "accelerate.commands.launch"])


def run_ranks(arguments: Sequence[str], folder: Path, timeout: float = 150) -> tuple[int | None, str]:
    """Compose a command line in `folder` and run its ranks in `folder/run`.

    Args:
        arguments: the command line; `resume` is `auto` (a fresh start, here) or a checkpoint.
        folder: working directory.
        timeout: seconds after which they are killed.

    Returns:
        The worst exit code, and what the ranks left for the user; the end of their log where they failed without.
    """
    process = _FORK.Process(target=_launch, args=(list(arguments), folder))
    with patch.dict(os.environ, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1"):
        process.start()
    process.join(timeout)
    process.kill()
    logs = folder / "run" / "logs"
    said = [json.loads(report.read_text())["message"] for report in sorted(logs.glob("error-rank*.json"))]
    if process.exitcode != 0 and not said and (logs / "worker.log").exists():
        said = [(logs / "worker.log").read_text()[-3000:]]
    return process.exitcode, "\n".join(said)


def accelerate_environment(argv: Sequence[str]) -> dict[str, str]:
    """The environment `accelerate launch` gives the ranks, out of its arguments, with a free port for them to meet."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    arguments, defaults, _ = _validate_launch_command(launch_command_parser().parse_args(list(argv)))
    if arguments.use_deepspeed:
        arguments.deepspeed_fields_from_accelerate_config = ",".join(defaults.deepspeed_config)
        env = prepare_deepspeed_cmd_env(arguments)[1]
    else:
        env = prepare_multi_gpu_env(arguments)
    return {**env, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(arguments.main_process_port)}


def _launch(arguments: list[str], folder: Path) -> None:
    from omegaconf import DictConfig

    from grpo_cli.config import compose
    from grpo_cli.config.freeze import as_dict
    from grpo_cli.jobs.folder import freeze_into
    from grpo_cli.jobs.prepare import prepare
    from grpo_cli.launch.hardware import detect
    from grpo_cli.launch.plan import LaunchPlan, plan_launch
    from grpo_cli.runs.folder import RunFolder
    from grpo_cli.runs.jsonl import write_atomic
    from grpo_cli.runs.resume import explicit

    os.chdir(folder)
    run = RunFolder(folder / "run")
    plans: list[LaunchPlan] = []

    def job(cfg: DictConfig, overrides: list[str]) -> None:
        hardware = detect()
        prepare(cfg, hardware)
        config = as_dict(cfg)
        plan = plan_launch(config["launch"], config["training"], run.root, hardware=hardware)
        run.logs.mkdir(parents=True, exist_ok=True)
        for name, text in plan.files.items():
            write_atomic(run.root / name, text)
        resumption = None if config["resume"] == "auto" else explicit(Path(config["resume"]))
        freeze_into(run, cfg, config, overrides, resumption)
        plans.append(plan)

    compose.run([*arguments, f"hydra.run.dir={run.root}"], job)
    plan = plans[0]
    os.environ.update(plan.env)
    if "accelerate.commands.launch" in plan.argv:
        os.environ.update(accelerate_environment(plan.argv[plan.argv.index("accelerate.commands.launch") + 1 :]))
        numbers = [_numbers(rank, plan.world_size) for rank in range(plan.world_size)]
    else:  # one process, started without a launcher
        numbers = [{}]
    ranks = [_fork_rank(own, run) for own in numbers]
    # A rank that was killed has a negative one.
    os._exit(max((os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in ranks), key=abs))


def _numbers(rank: int, world_size: int) -> dict[str, str]:
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size, "LOCAL_WORLD_SIZE": world_size}
    return {name: str(number) for name, number in numbers.items()}


def _fork_rank(own: dict[str, str], run: object) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: a rank that waits for ever ends too
        from grpo_cli.runs.folder import RunFolder
        from grpo_cli.training import worker

        assert isinstance(run, RunFolder)
        os.environ.update(own)
        with run.worker_log.open("a") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os._exit(worker.main([str(run.root)]))
    except BaseException:
        traceback.print_exc()
    os._exit(70)
