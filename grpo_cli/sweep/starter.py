"""Starting a sweep's jobs: forked from a template that has imported what their workers need, or each anew.

A template that cannot be had, dies, or does not answer never costs more than the time it saves: the jobs start anew
then, and a sentence says why.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo_cli.launch.environment import python_path, worker_environment
from grpo_cli.launch.identity import own_identity
from grpo_cli.launch.process import Process
from grpo_cli.launch.slots import Slot
from grpo_cli.launch.worker_guard import COMPOSER
from grpo_cli.sweep.warm import JOB_MODULE, Template, TemplateLost

TEMPLATES = 3  # after so many have died, jobs start anew


class JobStarter:
    """Starts the jobs of one sweep; used as a context manager, which ends the template with it.

    Args:
        template_env: environment of the template; None starts every job anew.
        log: where the template's output is appended.

    Attributes:
        say: called with a sentence for the user.
    """

    def __init__(self, template_env: Mapping[str, str] | None, log: Path = Path(os.devnull)) -> None:
        self._env, self._log = template_env, log
        self.say: Callable[[str], None] = lambda text: print(f"grpo-train: {text}", file=sys.stderr)
        self._made = 0
        self._template: Template | None = None
        self._make()

    def __enter__(self) -> JobStarter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._template:
            self._template.close()

    def ready(self) -> bool:
        """Whether a job can be started now; while a template loads, it is better to wait for it."""
        if self._template is None:
            return True
        self._template.poll()
        if problem := self._template.problem:
            again = self._template.loaded and self._made < TEMPLATES
            self._template = None
            self.say(
                f"The process that jobs are forked from {problem}; "
                + ("another one is started." if again else f"the jobs start anew each (see {self._log}).")
            )
            if again:
                self._make()
        return self._template is None or self._template.ready

    def start(self, arguments: Sequence[str], env: Mapping[str, str], log: Path) -> Process:
        """Start a job.

        Args:
            arguments: of `sweep.job_process`.
            env: its whole environment.
            log: where its output is appended.
        """
        with log.open("ab") as out:
            if self.ready() and self._template:
                try:
                    return self._template.start(arguments, env, out.fileno())
                except TemplateLost:
                    pass  # where the template is at fault, `ready` says so next time
            # A session of its own: Ctrl-C in the terminal reaches it through this process only, once.
            return subprocess.Popen(
                [sys.executable, "-m", JOB_MODULE, *arguments],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _make(self) -> None:
        if self._env is not None:
            self._made += 1
            self._template = Template(self._env, self._log)


def template_environment(
    launch: Mapping[str, Any], slots: Sequence[Slot], base: Mapping[str, str]
) -> dict[str, str] | None:
    """The environment of the template: that of the workers of a job which `launch` describes.

    Args:
        launch: the sweep's own `launch` group; jobs that differ from it in `launch.env` or `launch.threads` start
            anew, since libraries read variables while they are imported.
        slots: where jobs run.
        base: the environment of a job in the first slot.

    Returns:
        The environment; None where jobs are to start anew: by `launch.warm`, or since one has several processes, or
        on a system without what this needs.
    """
    gpus = tuple(gpu for slot in slots for gpu in slot.gpus)
    wanted = launch.get("warm", "auto")
    one_process = launch.get("num_processes") in ("auto", None, 1) and len(gpus) in (0, len(slots))
    plain = launch.get("sharding", "none") == "none" and not launch.get("accelerate_config")
    able = sys.platform == "linux" and hasattr(os, "pidfd_open")
    if not able or not one_process or not plain or wanted is False or (wanted == "auto" and gpus):
        return None
    threads = launch.get("threads", "auto")
    return worker_environment(
        base,
        {str(k): str(v) for k, v in (launch.get("env") or {}).items() if v is not None},
        kind="single_gpu" if gpus else "cpu",
        world_size=1,
        gpus=gpus,
        run_id="",
        threads=None if threads in ("auto", None) else int(threads),
        cores=slots[0].cores,
    )


def job_environment(slot: Slot, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job's own process in a slot.

    Args:
        slot: where it runs.
        base: the sweep's own.
    """
    env = {key: value for key, value in base.items() if key != "HYDRA_FULL_ERROR"}
    env |= {COMPOSER: own_identity(), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    env["PYTHONPATH"] = python_path(env.get("PYTHONPATH", ""))
    if slot.gpus and not slot.whole:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.token for gpu in slot.gpus)
        env.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # the order in which they were counted
    return env
