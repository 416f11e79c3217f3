"""How long a run will take: from a probe's measurement, or from what earlier runs of the same shape took."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from grpo_cli.forecast.measured import Measurement

PROBE, EARLIER = "probe", "earlier runs"
_LOOKED_AT = 40  # folders, the newest first
_RUNS = 5  # of the same shape
_TAIL = 200_000  # bytes of a metrics.jsonl


@dataclass(frozen=True)
class TimeForecast:
    """Seconds of a step and of the whole run.

    Attributes:
        step: seconds of an optimizer step; the median.
        low: the tenth percentile of the steps it comes from.
        high: the ninetieth.
        total: seconds of the whole run; None where its number of steps is not known.
        source: "probe" or "earlier runs".
        detail: where it comes from, in words.
        runs: folders it comes from; none for a probe.
    """

    step: float
    low: float
    high: float
    total: float | None
    source: str
    detail: str
    runs: tuple[str, ...] = ()

    @property
    def steps_per_hour(self) -> float:
        """Optimizer steps an hour."""
        return 3600 / self.step

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "source": self.source,
            "step_seconds": round(self.step, 4),
            "step_seconds_p10": round(self.low, 4),
            "step_seconds_p90": round(self.high, 4),
            "steps_per_hour": round(self.steps_per_hour, 1),
            "total_seconds": round(self.total, 1) if self.total is not None else None,
            "detail": self.detail,
            "runs": list(self.runs),
        }


@dataclass(frozen=True)
class Earlier:
    """What an earlier run took.

    Attributes:
        folder: its folder.
        steps: seconds of each logged step, the first left out where there are more.
        around: seconds of the run that were no training: loading, the first and last evaluation, saving.
        per_step: seconds of training by step, evaluations and checkpoints between included; None for a run that was
            interrupted.
    """

    folder: Path
    steps: tuple[float, ...]
    around: float = 0.0
    per_step: float | None = None


def from_probe(measured: Measurement, total_steps: int | None) -> TimeForecast:
    """The time by a probe: every completion at full length, evaluations and loading not counted.

    Args:
        measured: what the probe found.
        total_steps: optimizer steps of the run, where they are known.
    """
    step = measured.step_seconds
    return TimeForecast(
        step=step,
        low=step,
        high=step,
        total=step * total_steps if total_steps else None,
        source=PROBE,
        detail="every completion at full length: at most; loading and evaluations come on top",
    )


def from_earlier(shape: str, output_dir: Path, total_steps: int | None) -> TimeForecast | None:
    """The time by the earlier runs of the same shape.

    Args:
        shape: as `grpo_cli.forecast.shape.shape_of` gives it.
        output_dir: `paths.output_dir`, under which the runs lie.
        total_steps: optimizer steps of the run, where they are known.

    Returns:
        The forecast; None where there is no such run.
    """
    runs = list(islice(_of_shape(shape, output_dir), _RUNS))
    if not runs:
        return None
    steps = sorted(seconds for run in runs for seconds in run.steps)
    middle, whole = median(steps), [run for run in runs if run.per_step]
    total = None
    if total_steps:
        per_step = median(run.per_step or middle for run in whole) if whole else middle
        total = total_steps * per_step + (median(run.around for run in whole) if whole else 0.0)
    number = f"{len(runs)} earlier run{'s' * (len(runs) > 1)} of the same shape"
    return TimeForecast(
        step=middle,
        low=steps[len(steps) // 10],
        high=steps[min(len(steps) - 1, 9 * len(steps) // 10)],
        total=total,
        source=EARLIER,
        detail=f"{number}, the latest {runs[0].folder}",
        runs=tuple(str(run.folder) for run in runs),
    )


def _of_shape(shape: str, output_dir: Path) -> Iterator[Earlier]:
    """Earlier runs of this shape that have logged steps, the newest first."""
    files = [*output_dir.glob("*/*/provenance.json"), *output_dir.glob("*/*/[0-9]*/provenance.json")]
    newest = sorted(files, key=_modified, reverse=True)[:_LOOKED_AT]
    wanted = f'"shape": "{shape}"'
    for file in newest:
        try:
            if wanted in file.read_text("utf-8"):
                run = _read(file.parent)
                if run.steps:
                    yield run
        except (OSError, ValueError, TypeError, KeyError):
            continue


def _read(folder: Path) -> Earlier:
    steps = tuple(_step_times(folder / "metrics.jsonl"))
    result = _json(folder / "result.json")
    timings = result.get("timings") or {}
    trained, done = timings.get("train_seconds"), result.get("step")
    if result.get("status") != "completed" or result.get("attempts") != 1 or not trained or not done:
        return Earlier(folder, steps)
    return Earlier(folder, steps, max(0.0, float(result["seconds"]) - trained), trained / done)


def _step_times(metrics: Path) -> Iterator[float]:
    """Seconds of the logged steps; the first one, which warms up, only where it is the only one."""
    if not metrics.exists():
        return
    with metrics.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        lines = file.read().decode("utf-8", "replace").splitlines()
    found = []
    for line in lines:
        if '"kind": "train"' in line and '"step_time"' in line:
            try:
                seconds = json.loads(line)["step_time"]
            except (ValueError, KeyError):
                continue  # the line that the tail begins in
            if isinstance(seconds, float | int) and seconds > 0:
                found.append(float(seconds))
    yield from found[1:] if len(found) > 1 else found


def _json(path: Path) -> Mapping[str, Any]:
    value = json.loads(path.read_text("utf-8"))
    return value if isinstance(value, dict) else {}


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
