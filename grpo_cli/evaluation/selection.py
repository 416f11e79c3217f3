"""Which evaluations were the best, and whether it is time to stop. Pure: numbers in, decisions out. Light."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class EarlyStopping:
    """Counts the evaluations in a row that were no better than the best one before them.

    Attributes:
        metric: what has to get better, in full.
        patience: how many such evaluations end training.
        min_delta: by how much one has to be better to count.
        mode: max or min.
        best: the best value so far, and its step.
        waited: evaluations since.

    Example:
        >>> stop = EarlyStopping("eval/held_out/accuracy", patience=2)
        >>> [stop.see(step, value) for step, value in enumerate((0.1, 0.5, 0.5, 0.4))]
        [False, False, False, True]
    """

    metric: str
    patience: int = 3
    min_delta: float = 0.0
    mode: str = "max"
    best: float | None = None
    best_step: int = 0
    waited: int = 0

    def see(self, step: int, value: float | None) -> bool:
        """Take in an evaluation.

        Args:
            step: after how many optimizer steps.
            value: of the metric; None and NaN are no better than anything.

        Returns:
            Whether training should end.
        """
        usable = value is not None and not math.isnan(value)
        if usable and (self.best is None or _gain(value, self.best, self.mode) > self.min_delta):  # type: ignore[arg-type]
            self.best, self.best_step, self.waited = value, step, 0
            return False
        self.waited += 1
        return self.waited >= self.patience

    @property
    def reason(self) -> str:
        """Why training ended, for `result.json` and the display."""
        way = "risen above" if self.mode == "max" else "fallen below"
        best = "any value" if self.best is None else f"{self.best:.4g} (step {self.best_step})"
        by = f" by more than {self.min_delta:g}" if self.min_delta else ""
        often = f"{self.waited} evaluation{'s' * (self.waited > 1)}"
        return f"evaluation.early_stopping: {self.metric} has not {way} {best}{by} in {often}"


@dataclass
class Best:
    """The best evaluations, as many as are kept.

    Attributes:
        metric: what they are best at, in full.
        mode: max or min.
        keep: how many.
        kept: step and value of each, the best first; of equal ones the earlier.
        saved_for_it: steps whose checkpoint was saved for no other reason.

    Example:
        >>> best = Best("eval/held_out/accuracy", keep=1)
        >>> [best.see(step, value) for step, value in ((10, 0.5), (20, 0.7), (30, 0.6))]
        [True, True, False]
        >>> best.kept
        [(20, 0.7)]
    """

    metric: str
    mode: str = "max"
    keep: int = 1
    kept: list[tuple[int, float]] = field(default_factory=list)
    saved_for_it: list[int] = field(default_factory=list)

    def see(self, step: int, value: float | None) -> bool:
        """Take in an evaluation.

        Args:
            step: after how many optimizer steps.
            value: of the metric; None and NaN are never among the best.

        Returns:
            Whether it is among the best, so that its checkpoint has to be kept.
        """
        if value is None or math.isnan(value):
            return False
        self.kept = [one for one in self.kept if one[0] != step] + [(step, value)]
        self.kept.sort(key=lambda one: (-_gain(one[1], 0.0, self.mode), one[0]))
        del self.kept[self.keep :]
        return step in self.steps

    @property
    def steps(self) -> list[int]:
        """The steps that are kept, the best first."""
        return [step for step, _ in self.kept]

    @property
    def passed(self) -> list[int]:
        """Steps whose checkpoint was saved for being among the best, and which no longer are."""
        return [step for step in self.saved_for_it if step not in self.steps]


@dataclass
class Selection:
    """Early stopping and the best checkpoints of a run, with what a checkpoint has to remember of them."""

    stopping: EarlyStopping | None = None
    best: Best | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Selection:
        """Read the `evaluation` section."""
        stopping, best = dict(settings.get("early_stopping") or {}), dict(settings.get("best") or {})
        return cls(
            EarlyStopping(**stopping) if stopping.get("metric") else None,
            Best(**best) if best.get("metric") else None,
        )

    def state(self) -> dict[str, Any]:
        """What a resumed run needs, as JSON can hold it."""
        stopping, best = self.stopping, self.best
        return {
            "early_stopping": stopping
            and {"best": stopping.best, "best_step": stopping.best_step, "waited": stopping.waited},
            "best": best and {"kept": best.kept, "saved_for_it": best.saved_for_it},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; what it lacks starts afresh."""
        stopping, best = state.get("early_stopping"), state.get("best")
        if self.stopping and stopping:
            self.stopping.best, self.stopping.best_step = stopping["best"], stopping["best_step"]
            self.stopping.waited = stopping["waited"]
        if self.best and best:
            self.best.kept = [(int(step), float(value)) for step, value in best["kept"]][: self.best.keep]
            self.best.saved_for_it = list(best["saved_for_it"])


def _gain(value: float, best: float, mode: str) -> float:
    return value - best if mode == "max" else best - value


def due(every: float | None, step: int, max_steps: int) -> bool:
    """Whether to evaluate after a step, the last one apart.

    Args:
        every: steps between evaluations, or below 1 a share of training; None for never.
        step: optimizer steps done.
        max_steps: of the whole run.

    Example:
        >>> [step for step in range(1, 11) if due(4, step, 10)], [step for step in range(1, 11) if due(0.25, step, 10)]
        ([4, 8], [2, 5, 8])
    """
    if not every or step >= max_steps:
        return False
    if every >= 1:
        return step % int(every) == 0
    return any(step == max(1, round(i * every * max_steps)) for i in range(1, math.ceil(1 / every)))
