"""What a dry run prints: the files, the environment and the command of what would be started."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from grpo_cli.launch.environment import RUN_ID
from grpo_cli.launch.plan import LaunchPlan
from grpo_cli.launch.worker_guard import COMPOSER
from grpo_cli.rollout.plan import ServerPlan

_TIES = (COMPOSER, RUN_ID)


def show_plan(plan: LaunchPlan) -> None:
    """Print what a dry run would have started: why, the files that would be written, the environment, the command."""
    print(f"# {plan.kind}, {plan.world_size} process{'es' * (plan.world_size > 1)}: {plan.why}")
    for name, text in plan.files.items():
        print(f"# {name} in the run folder:", text.rstrip(), "", sep="\n")
    print(command_line(plan.env, plan.argv))


def show_server(server: ServerPlan) -> None:
    """Print the rollout server that a dry run would have started first, or joined."""
    if not server.started:
        print(f"# rollout server: the running one at {server.url}, if it serves {server.model}")
        return
    gpus = ", ".join(gpu.token for gpu in server.gpus)
    print(f"# rollout server at {server.url}{f' on GPU {gpus}' if gpus else ''}, ready within {server.timeout:g} s")
    print(command_line(server.env, server.argv))


def command_line(env: Mapping[str, str], argv: Sequence[str]) -> str:
    """A command as one would type it, with what its environment adds to the present one.

    Without what ties it to the process that prints it: a worker whose composer has ended ends itself.
    """
    added = {key: value for key, value in sorted(env.items()) if os.environ.get(key) != value and key not in _TIES}
    return " ".join([*(f"{key}={shlex.quote(value)}" for key, value in added.items()), shlex.join(argv)])
