"""The process of one rank: `python -m grpo_cli.training.worker <run folder>`.

It guards against its composer's death before anything slow is imported, runs, and leaves an account of
why it ended where the composer finds it.
"""

from __future__ import annotations

from grpo_cli.launch import worker_guard

worker_guard.arm()

import contextlib  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402

from grpo_cli.errors import EXIT_DONE, EXIT_FAILED, ConfigError, GrpoTrainError  # noqa: E402
from grpo_cli.launch.nodes import NODE  # noqa: E402
from grpo_cli.runs.disk import write_problem  # noqa: E402
from grpo_cli.runs.folder import RunFolder  # noqa: E402
from grpo_cli.runs.jsonl import write_json  # noqa: E402
from grpo_cli.runs.recorder import Recorder  # noqa: E402

EXIT_SECONDS = 60


def main(arguments: list[str]) -> int:
    """Run one rank and return its exit code.

    Args:
        arguments: the run folder; before it `--probe` where two steps are measured and nothing is trained.
    """
    rank = int(os.environ.get("RANK", "0"))
    folder = RunFolder(Path(arguments[-1]), int(os.environ.get(NODE, "0")))
    Recorder(folder, enabled=rank == 0).phase("starting")
    try:
        from omegaconf import OmegaConf

        from grpo_cli.training.parts import require_config
        from grpo_cli.training.run import run

        config = require_config(OmegaConf.to_container(OmegaConf.load(folder.config), resolve=True))
        if "--probe" in arguments:
            from grpo_cli.training.probe import measure

            return measure(config, folder)
        stopped_by = run(config, folder)
    except BaseException as error:
        if isinstance(error, SystemExit | KeyboardInterrupt):
            raise
        traceback.print_exc()
        with contextlib.suppress(OSError):  # a full disk has no room for a report; the exit code is still ours
            report(folder, rank, error)
        return error.exit_code if isinstance(error, GrpoTrainError) else EXIT_FAILED
    return 128 + stopped_by if stopped_by else EXIT_DONE


def report(folder: RunFolder, rank: int, error: BaseException) -> None:
    """Leave the rank's own account of its end in `logs/error-rank<rank>.json`."""
    text = str(error) if isinstance(error, GrpoTrainError) else f"{type(error).__name__}: {error}"
    message = text if isinstance(error, GrpoTrainError) else write_problem(error, folder.root) or text
    write_json(
        folder.error(rank),
        {
            "rank": rank,
            "kind": "config" if isinstance(error, ConfigError) else "run",
            "message": message,
            "traceback": "".join(traceback.format_exception(error)),
            "time": time.time(),
        },
    )


def bound_exit(code: int) -> None:
    """Give what runs at exit (trackers flushing, process groups closing) a minute, then end the process anyway."""
    timer = threading.Timer(EXIT_SECONDS, os._exit, [code])
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    bound_exit(exit_code)
    sys.exit(exit_code)
