"""`grpo-train`: from a command line to a checked config; the run itself is `grpo_cli.commands._job.run_job`.

Nothing is imported here that takes time: --help answers before Hydra is loaded, a typo before torch could be.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from grpo_cli.errors import EXIT_DONE, GrpoTrainError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 1 the run failed, 2 the configuration is wrong, 130 and 143 interrupted.
    """
    argv = sys.argv[1:]
    try:
        if any(a in ("-h", "--help", "--version") or a.split("=")[0] == "--fields" for a in argv):
            from grpo_cli.config.help import answer

            answer(argv)
            return EXIT_DONE
        from grpo_cli.config.compose import run

        run(argv, _run_job)
    except GrpoTrainError as e:
        # One problem a line, the program's name before each, as compilers do.
        for line in str(e).splitlines():
            print(f"grpo-train: {line}", file=sys.stderr)
        return e.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (… | head); nothing is wrong
    return EXIT_DONE


def _run_job(cfg: DictConfig, overrides: list[str]) -> float | None:
    """Hand a checked config on; imported here, since only a real run needs it."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    if HydraConfig.get().mode == RunMode.MULTIRUN:
        from grpo_cli.commands._sweep import run_in_sweep

        return run_in_sweep(cfg, overrides)
    from grpo_cli.commands._job import run_job

    finished = run_job(cfg, overrides)
    if finished and finished.result["exit_code"]:
        raise SystemExit(finished.result["exit_code"])
    return None


if __name__ == "__main__":
    sys.exit(main())
