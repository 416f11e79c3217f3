"""The inside of a Slurm job: `python -m grpo_cli.jobs.slurm_job <run folder>`.

Runs the configuration that was frozen when the job was submitted, so that what was checked is what runs, whatever
has become of the user's files since. Each node of a multi-node job runs it; put back into the queue, it goes on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from grpo_cli.errors import EXIT_DONE, GrpoTrainError


def main(argv: list[str]) -> int:
    """Run one submitted run on this node.

    Args:
        argv: the run folder.

    Returns:
        The exit code, the same as `grpo-train`'s.
    """
    try:
        return run_submitted(Path(argv[0]))
    except GrpoTrainError as error:
        for line in str(error).splitlines():
            print(f"grpo-train: {line}", file=sys.stderr)
        return error.exit_code
    except BaseException as error:
        code = getattr(error, "exit_code", getattr(error, "code", None))
        if not isinstance(code, int):
            raise
        return code


def run_submitted(root: Path) -> int:
    """Run what was submitted for a run folder."""
    from omegaconf import DictConfig, OmegaConf

    from grpo_cli.jobs.folder import readable_write_errors
    from grpo_cli.jobs.job import start
    from grpo_cli.launch.hardware import detect
    from grpo_cli.launch.signals import raising
    from grpo_cli.launch.slurm.files import SlurmFiles
    from grpo_cli.runs.folder import RunFolder

    files, folder = SlurmFiles(root), RunFolder(root)
    cfg = OmegaConf.load(files.config)
    assert isinstance(cfg, DictConfig)
    if int(os.environ.get("SLURM_RESTART_COUNT") or 0):
        cfg.resume = "auto"  # whatever it first started from, it now goes on from its own checkpoint
    overrides = [str(text) for text in OmegaConf.to_container(OmegaConf.load(files.overrides))]  # type: ignore[union-attr]
    with raising(), readable_write_errors(folder):
        finished = start(cfg, overrides, folder, False, detect())
    return int(finished.result["exit_code"] or 0) if finished else EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
