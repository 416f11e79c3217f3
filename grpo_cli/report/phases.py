"""Where the time of a run went: seconds in each phase, from its events."""

from __future__ import annotations

from itertools import pairwise

from grpo_cli.report.read import Run
from grpo_cli.runs.metrics import number

ORDER = ("starting", "loading data", "loading model", "training", "evaluating", "saving")


def phases(run: Run) -> list[tuple[str, float]]:
    """Seconds per phase of the last attempt, in the order in which a run goes through them.

    Args:
        run: the run; while it runs, the last phase lasts until the last event.

    Returns:
        (phase, seconds) of those that took time.
    """
    times = [(str(e.get("name")), number(e, "time")) for e in run.events if e.get("event") == "phase"]
    marks = [(name, time) for name, time in times if time is not None]
    if not marks:
        return []
    last = max((t for e in run.events if (t := number(e, "time")) is not None), default=marks[-1][1])
    if marks[-1][0] != "done":
        marks.append(("done", max(last, marks[-1][1])))
    total: dict[str, float] = {}
    for (name, start), (_, end) in pairwise(marks):
        total[name] = total.get(name, 0.0) + max(0.0, end - start)
    known = [name for name in ORDER if name in total]
    return [(name, total[name]) for name in [*known, *(n for n in total if n not in known)] if total[name] > 0]
