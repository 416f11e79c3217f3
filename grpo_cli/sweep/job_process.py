"""One job of a multirun in a process of its own: `python -m grpo_cli.sweep.job_process <config> <folder> <cores>`.

Runs the configuration that the sweep's own process has composed, checked and frozen. Its life is tied to that
process: killed with it, and with it everything it started.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grpo_cli.launch import worker_guard

if __name__ == "__main__":
    worker_guard.arm()

from grpo_cli.errors import EXIT_DONE, EXIT_SIGINT, GrpoTrainError

LEAVE_SECONDS = 10.0  # a job of a sweep that was killed a moment ago is still on its way out


def main(argv: list[str]) -> int:
    """Run one job.

    Args:
        argv: the frozen configuration (the overrides beside it), the run folder, the CPU cores to use.

    Returns:
        The exit code, the same as `grpo-train`'s.
    """
    config, folder, cores = argv
    try:
        return run(Path(config), Path(folder), int(cores))
    except GrpoTrainError as error:
        for line in str(error).splitlines():
            print(f"grpo-train: {line}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_SIGINT
    except BaseException as error:
        code = getattr(error, "exit_code", getattr(error, "code", None))
        if not isinstance(code, int):
            raise
        return code


def run(config: Path, root: Path, cores: int) -> int:
    """Run a frozen configuration in a run folder, with so many CPU cores."""
    from dataclasses import replace

    from omegaconf import DictConfig, OmegaConf

    from grpo_cli.config.command_line import read_list
    from grpo_cli.jobs.folder import readable_write_errors
    from grpo_cli.jobs.job import start
    from grpo_cli.launch.hardware import detect
    from grpo_cli.launch.signals import raising
    from grpo_cli.runs.folder import RunFolder
    from grpo_cli.runs.lock import wait_until_free

    folder = RunFolder(root)
    cfg = OmegaConf.load(config)
    assert isinstance(cfg, DictConfig)
    with raising(), readable_write_errors(folder):
        wait_until_free(folder, LEAVE_SECONDS)
        finished = start(cfg, read_list(overrides_of(config)), folder, False, replace(detect(), cores=cores))
    return int(finished.result["exit_code"] or 0) if finished else EXIT_DONE


def overrides_of(config: Path) -> Path:
    """Where the overrides lie that belong to a frozen configuration."""
    return config.with_suffix(".overrides.yaml")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
