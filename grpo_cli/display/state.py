"""What is known about a run at this moment, built up record by record from its event and metric files."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grpo_cli.runs.metrics import number

RECENT_STEPS = 32
"""Steps whose duration the rate is taken from: long enough to average over several generation batches."""

Point = tuple[int, float]


def shown_metric(record: Mapping[str, Any]) -> str | None:
    """The metric of an evaluation that stands for it: accuracy, else reward; of the held-out rows where they are."""
    for metric in ("accuracy", "reward"):
        own = f"eval/held_out/{metric}"
        others = (key for key in record if re.fullmatch(rf"eval/[^/]+/{metric}", key))
        found = next((key for key in (own, *others) if number(record, key) is not None), None)
        if found:
            return found
    return None


@dataclass
class RunState:
    """A run as its files tell it; all times are epoch seconds.

    The rate counts only time spent training: a clock that stands still while the run evaluates or saves
    stamps every step, so an evaluation between two steps makes neither of them look slow.
    """

    phase: str = ""
    started: float | None = None
    last_time: float | None = None
    stopping: bool = False
    step: int = 0
    max_steps: int = 0
    start_step: int = 0
    tokens: int = 0
    train: dict[str, Any] = field(default_factory=dict)
    rewards: list[Point] = field(default_factory=list)
    evals: list[dict[str, Any]] = field(default_factory=list)
    sample: dict[str, Any] | None = None
    warnings: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    findings: list[dict[str, Any]] = field(default_factory=list)
    resolved: dict[str, tuple[Any, str]] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    # (training clock, step, tokens) after each of the recent steps
    _recent: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS + 1))
    _clock: float = 0.0
    _clock_since: float | None = None

    # ------------------------------------------------------------------ what a view asks

    @property
    def rate(self) -> float | None:
        """Steps per second of training over the recent steps; None before two steps were seen."""
        return self._per_second(1)

    @property
    def tokens_per_second(self) -> float | None:
        """Completion tokens per second of training over the recent steps."""
        return self._per_second(2)

    def eta(self, now: float | None = None) -> float | None:
        """Seconds of training left, from the recent steps; evaluations and saving come on top.

        Args:
            now: the present; given, the time already spent in the present step is taken off.
        """
        rate = self.rate
        if not rate or not self.max_steps:
            return None
        left = max(0, self.max_steps - self.step) / rate
        if now is not None and self._clock_since is not None and self._recent:
            spent = self._clock + (now - self._clock_since) - self._recent[-1][0]
            left -= min(max(0.0, spent), 1 / rate)
        return max(0.0, left)

    def elapsed(self, now: float) -> float:
        """Seconds since this session of the run began."""
        return max(0.0, now - self.started) if self.started is not None else 0.0

    @property
    def held_out_key(self) -> str:
        """The held-out metric to show: accuracy where a reward says what is correct, else the mean reward."""
        return next((key for e in reversed(self.evals) if (key := shown_metric(e))), "eval/held_out/reward")

    @property
    def held_out_name(self) -> str:
        """`accuracy` or `reward`, whichever is shown of the held-out evaluations."""
        return self.held_out_key.removeprefix("eval/").removeprefix("held_out/")

    @property
    def held_out(self) -> list[Point]:
        """The held-out metric over the run: (step, value), finite values only."""
        key = self.held_out_key
        points = [(int(e.get("step", 0)), number(e, key)) for e in self.evals]
        return [(s, v) for s, v in points if v is not None and math.isfinite(v)]

    @property
    def held_out_margin(self) -> float | None:
        """Half the width of the 95 % interval of the gain, at the last evaluation; None where it recorded none."""
        last = self.evals[-1] if self.evals else {}
        low, high = (number(last, f"{self.held_out_key}_gain_{end}") for end in ("low", "high"))
        return None if low is None or high is None else (high - low) / 2

    @property
    def reward_means(self) -> dict[str, float]:
        """Mean of every single reward in the last training log, by the reward's name."""
        means = {}
        for key in self.train:
            if key.startswith("rewards/") and key.endswith("/mean"):
                value = number(self.train, key)
                if value is not None:
                    means[key[len("rewards/") : -len("/mean")]] = value
        return means

    # ------------------------------------------------------------------ how it learns of things

    def on_event(self, record: dict[str, Any]) -> None:
        """Take in one record of logs/events.jsonl; kinds it does not know are passed over."""
        handle = getattr(self, f"_on_{record.get('event')}", None)
        time = number(record, "time")
        if time is not None:
            self.started = time if self.started is None else self.started
            self.last_time = time
        if handle is not None:
            handle(record, time if time is not None else (self.last_time or 0.0))

    def on_metrics(self, record: dict[str, Any]) -> None:
        """Take in one record of metrics.jsonl; a step already passed means the run was rolled back to it."""
        step = int(number(record, "step") or 0)
        if record.get("kind") == "eval":
            self.evals = [e for e in self.evals if int(e.get("step", 0)) < step]
            self.evals.append(record)
        elif record.get("kind") == "train":
            self.train = record
            self.step = max(self.step, step)
            reward = number(record, "reward")
            self.rewards = [p for p in self.rewards if p[0] < step] if self._repeats(step) else self.rewards
            if reward is not None and math.isfinite(reward):
                self.rewards.append((step, reward))

    def begin_session(self) -> None:
        """Forget what an earlier session of this run was doing; what it reached stays."""
        self.started, self.phase = None, ""
        self.warnings.clear()
        self.findings = []
        self._restart_clock()

    def forget_metrics(self) -> None:
        """Drop all that came from metrics.jsonl: the file was replaced and will be read again."""
        self.train, self.rewards, self.evals = {}, [], []

    def _repeats(self, step: int) -> bool:
        return bool(self.rewards) and self.rewards[-1][0] >= step

    def _on_phase(self, record: dict[str, Any], time: float) -> None:
        name = str(record.get("name", ""))
        if name == "starting":  # a new session of the run: its clock and its warnings start afresh
            self.begin_session()
            self.started = time
        self._set_phase(name, time)

    def _on_resolved(self, record: dict[str, Any], time: float) -> None:
        self.resolved[str(record.get("key"))] = (record.get("value"), str(record.get("why") or ""))

    def _on_plan(self, record: dict[str, Any], time: float) -> None:
        self.plan = record
        self.max_steps = int(number(record, "max_steps") or 0)
        self.start_step = self.step = int(number(record, "start_step") or 0)
        self.rewards = [p for p in self.rewards if p[0] <= self.start_step]
        self.evals = [e for e in self.evals if int(e.get("step", 0)) <= self.start_step]

    def _on_step(self, record: dict[str, Any], time: float) -> None:
        if self.phase != "training":  # a step ended, so it trains; when it began to, nobody said
            self._set_phase("training", time)
            self._recent.clear()
        self.step = int(number(record, "step") or 0)
        self.max_steps = int(number(record, "max_steps") or self.max_steps)
        tokens = number(record, "tokens")
        self.tokens = int(tokens) if tokens is not None else self.tokens
        if self._recent and self._recent[-1][1] >= self.step:
            self._recent.clear()
        # The first step pays for warm-up (kernels, caches); the clock counts from its end.
        since = time if self._clock_since is None else self._clock_since
        self._recent.append((self._clock + time - since, self.step, self.tokens))

    def _on_sample(self, record: dict[str, Any], time: float) -> None:
        self.sample = record

    def _on_warning(self, record: dict[str, Any], time: float) -> None:
        message = str(record.get("message", ""))
        if message and (not self.warnings or self.warnings[-1] != message):
            self.warnings.append(message)

    def _on_doctor(self, record: dict[str, Any], time: float) -> None:
        self.findings.append(record)

    # ------------------------------------------------------------------ the training clock

    def _set_phase(self, name: str, time: float) -> None:
        if self._clock_since is not None:
            self._clock += max(0.0, time - self._clock_since)
        self._clock_since = time if name == "training" else None
        self.phase = name

    def _restart_clock(self) -> None:
        self._recent.clear()
        self._clock, self._clock_since = 0.0, None

    def _per_second(self, column: int) -> float | None:
        if len(self._recent) < 2:
            return None
        first, last = self._recent[0], self._recent[-1]
        seconds = last[0] - first[0]
        return (last[column] - first[column]) / seconds if seconds > 0 else None
