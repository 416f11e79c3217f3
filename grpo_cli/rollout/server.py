"""The life of a rollout server: started or joined, waited for, watched while the run goes on, ended with it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from grpo_cli.errors import EXIT_CONFIG, EXIT_FAILED
from grpo_cli.launch.failure import TAIL_LINES, Failure, last_error, meaningful_lines, read_tail
from grpo_cli.launch.process import Process
from grpo_cli.launch.running import TICK_SECONDS, running
from grpo_cli.launch.tree import ProcessTree
from grpo_cli.rollout.address import ask, is_healthy
from grpo_cli.rollout.plan import ServerPlan
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.recorder import Recorder

WAITING = "waiting for the rollout server"
PROBE_EVERY = 0.5
REFRESH_SECONDS = 1.0


class RolloutServer:
    """A server for as long as the block lasts; without a plan there is none, and nothing is ever wrong with it.

    Args:
        plan: what to start or join.
        folder: the run, whose `logs/rollout_server.log` takes the output of a server that is started.
    """

    def __init__(self, plan: ServerPlan | None, folder: RunFolder) -> None:
        self.plan = plan
        self.folder = folder
        self.ready = False
        self._held = ExitStack()
        self._process: Process | None = None
        self._tree: ProcessTree | None = None
        self._next_refresh = 0.0
        self._log_start = 0

    def __enter__(self) -> RolloutServer:
        plan, log = self.plan, self.folder.server_log
        if plan and plan.started:
            self._log_start = log.stat().st_size if log.exists() else 0
            started = running(plan.argv, plan.env, run_id=plan.run_id, log=log)
            self._process, self._tree = self._held.enter_context(started)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def wait(self, *, stopped: Callable[[], bool], on_tick: Callable[[], None]) -> Failure | None:
        """Wait until the server answers, and check that it is the one that is needed.

        Args:
            stopped: whether the user has asked for the run's end meanwhile.
            on_tick: called about every 0.1 s (the live display).

        Returns:
            What is wrong; None where it is ready, or the user ended the wait.
        """
        plan = self.plan
        if plan is None:
            return None
        recorder = Recorder(self.folder)
        recorder.phase(WAITING)
        deadline, next_probe = time.monotonic() + plan.timeout, 0.0
        while not stopped():
            if failure := self.failure():
                return failure
            now = time.monotonic()
            if now >= next_probe:
                if is_healthy(plan.url):
                    break
                next_probe = now + PROBE_EVERY
            if now > deadline:
                return self._too_slow()
            on_tick()
            time.sleep(TICK_SECONDS)
        else:
            return None
        if failure := self.failure() or self._unfit():
            return failure
        self.ready = True
        recorder.resolved("rollout.server", plan.url, self._where())
        return None

    def failure(self) -> Failure | None:
        """What ended a server that was started here, once it has ended; to be asked at every tick."""
        if self._process is None:
            return None
        now = time.monotonic()
        if self._tree and now >= self._next_refresh:
            self._tree.refresh()
            self._next_refresh = now + REFRESH_SECONDS
        code = self._process.poll()
        if code is None:
            return None
        name = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        moment = "while the run needed it" if self.ready else "before it was ready"
        cause = last_error(self._log())
        return self._with_log(f"The rollout server {name} {moment}{f': {cause}' if cause else '.'}")

    def _too_slow(self) -> Failure:
        assert self.plan
        if not self.plan.started:
            return Failure(
                f"rollout.url={self.plan.url}: no server answered there within {self.plan.timeout:g} s "
                "(training.vllm_server_timeout); start it, or leave rollout.url out and grpo-train starts one.",
                EXIT_FAILED,
            )
        return self._with_log(
            f"The rollout server was not ready after {self.plan.timeout:g} s; a large model takes longer: "
            f"write training.vllm_server_timeout={max(60, round(4 * self.plan.timeout))}."
        )

    def _unfit(self) -> Failure | None:
        """Whether what answers serves another model, or cannot take weights."""
        assert self.plan
        served = ask(self.plan.url)
        name = f"rollout.url={self.plan.url}: the server there" if not self.plan.started else "The rollout server"
        if self.plan.model not in served.models and served.models:
            return Failure(
                f"{name} serves {served.models[0]} and this run trains {self.plan.model}; start it with that model, "
                f"or write model={served.models[0]}.",
                EXIT_CONFIG,
            )
        if served.problem:
            return Failure(f"{name} {served.problem}.", EXIT_FAILED)
        return None

    def _where(self) -> str:
        assert self.plan
        if not self.plan.started:
            return "a running server, which is left running"
        gpus = ", ".join(gpu.token for gpu in self.plan.gpus)
        return f"started for this run{f' on GPU {gpus}' if gpus else ''}, ended with it"

    def _log(self) -> str:
        return read_tail(self.folder.server_log, self._log_start)

    def _with_log(self, sentence: str) -> Failure:
        lines = [f"  {line}" for line in meaningful_lines(self._log())[-TAIL_LINES:]]
        return Failure("\n".join([sentence, *lines, f"The whole log: {self.folder.server_log}"]), EXIT_FAILED)
