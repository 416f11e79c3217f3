"""The workers' command line: the worker module itself for one process, `accelerate launch` for several.

The options are a plain mapping under the names accelerate gives its flags, so that whatever knows more of a
launch (sharding, several nodes) adds to it or replaces entries before the command is built.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ACCELERATE_CONFIG = Path(__file__).with_name("accelerate.yaml")
FLAG = ""  # the value of an option that is a flag alone


def accelerate_options(num_processes: int, config_file: Path = ACCELERATE_CONFIG) -> dict[str, str]:
    """Options of `accelerate launch` for data-parallel ranks on one machine.

    Args:
        num_processes: ranks, over all machines.
        config_file: what accelerate reads in place of its default file in the user's home.

    Returns:
        Flag names without dashes, and their values; `FLAG` for a flag that takes none.
    """
    # --multi_gpu on CPU too: together with ACCELERATE_USE_CPU it gives gloo ranks, whereas --cpu starts one
    # process whatever the number. Precision "no" is accelerate's part only: the trainer's own arguments
    # (training.bf16, training.fp16) decide, as they do with one process. Port 0 takes a free one.
    return {
        "multi_gpu": FLAG,
        "config_file": str(config_file),
        "num_processes": str(num_processes),
        "num_machines": "1",
        "machine_rank": "0",
        "main_process_port": "0",
        "mixed_precision": "no",
        "dynamo_backend": "no",
    }


def worker_command(options: Mapping[str, str] | None, worker: Sequence[str], run_folder: Path) -> tuple[str, ...]:
    """The command that starts a run's workers.

    Args:
        options: of `accelerate launch`, see `accelerate_options`; None starts the worker as one plain process,
            which is 1.5 s sooner.
        worker: what follows `python`: `-m module` or a script's path.
        run_folder: the run's folder, the worker's one argument.

    Returns:
        The argument vector.
    """
    run = str(run_folder.resolve())
    if options is None:
        return (sys.executable, *worker, run)
    flags = [text for name, value in options.items() for text in (f"--{name}", value) if text != FLAG]
    return (sys.executable, "-m", "accelerate.commands.launch", *flags, *worker, run)
