"""`grpo-train`: from a command line to a checked config; the run itself is `grpo_cli.jobs.job.run_job`.

Nothing is imported here that takes time: --help answers before Hydra is loaded, a typo before torch could be.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from grpo_cli.errors import EXIT_DONE, EXIT_FAILED, EXIT_SIGINT, GrpoTrainError

if TYPE_CHECKING:
    from collections.abc import Callable

    from omegaconf import DictConfig

    from grpo_cli.runs.sweep import Sweep


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 1 the run failed, 2 the configuration is wrong, 130 and 143 interrupted.
    """
    argv = sys.argv[1:]
    if any(a in ("-h", "--help", "--version") or a.split("=")[0] == "--fields" for a in argv):
        from grpo_cli.config.help import answer

        return _exit_code(lambda: answer(argv))
    from grpo_cli.config.completion import complete, is_query, line_so_far

    if is_query(argv):
        words = complete(line_so_far())
        if words is not None:
            print("\n".join(words))
            return EXIT_DONE
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123  (a line that does not parse has no completions)
    return _exit_code(lambda: _compose(argv))


def _compose(argv: list[str]) -> None:
    """Compose and run; imported here, so that a Ctrl-C during the import ends as quietly as any other."""
    gc.disable()  # until there is a job: a tenth of the start would go into looking for garbage among the imports
    from grpo_cli.config.early import check_command_line

    check_command_line(argv)
    from grpo_cli.config.compose import run

    run(argv, _run_job)


def _exit_code(command: Callable[[], None]) -> int:
    """Run a command and turn how it ended into an exit code, telling the user of what went wrong."""
    code = EXIT_DONE
    try:
        command()
        if sweep := _sweep_of_this_process():
            sys.modules["grpo_cli.sweep.multirun"].finish(sweep)
    except GrpoTrainError as error:
        # One problem a line, the program's name before each, as compilers do.
        for line in str(error).splitlines():
            print(f"grpo-train: {line}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (… | head); nothing is wrong
    except KeyboardInterrupt:  # before there was a run to stop
        code = EXIT_SIGINT
    except BaseException as error:
        # Interrupted, SweepFailed and SystemExit carry the code; anything else is a bug and shows its traceback.
        carried = getattr(error, "exit_code", getattr(error, "code", None))
        if not isinstance(carried, int):
            carried = _end_elsewhere()  # a launcher of the user's choice raises what it likes when it is interrupted
            if not carried:
                raise
        code = carried
    sweep = _sweep_of_this_process()
    if sweep is None or (code and not sweep.jobs):
        return code
    from grpo_cli.sweep.closing import close_sweep

    return close_sweep(_end_elsewhere() or code)


def _end_elsewhere() -> int:
    """Settle jobs that another launcher ran in other processes; the exit code of a signal, else 0."""
    return sys.modules["grpo_cli.sweep.multirun"].end_elsewhere() if _sweep_of_this_process() else 0


def _sweep_of_this_process() -> Sweep | None:
    """The multirun that has been run, if one has."""
    module = sys.modules.get("grpo_cli.sweep.multirun")
    return module.current_sweep() if module else None


def _run_job(cfg: DictConfig, overrides: list[str]) -> float | list[float] | None:
    """Hand a composed config on; imported here, since only a real run needs it."""
    gc.freeze()
    gc.enable()
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    if HydraConfig.get().mode == RunMode.MULTIRUN:
        from grpo_cli.sweep.multirun import run_in_sweep

        return run_in_sweep(cfg, overrides)
    from grpo_cli.jobs.job import run_job

    finished = run_job(cfg, overrides)
    if finished and finished.result["exit_code"]:
        raise SystemExit(finished.result["exit_code"])
    if finished and not finished.result.get("reproduction", {}).get("identical", True):
        raise SystemExit(EXIT_FAILED)
    return None


if __name__ == "__main__":
    sys.exit(main())
