"""Two runs beside each other: what they were made of, and whether the same came out, number for number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.objectives import rows_in
from grpo_cli.runs.origins import flat_differences, origin_differences
from grpo_cli.runs.result import read_json
from grpo_cli.runs.weights import count_values, hash_weights, largest_difference

# Metrics that a clock has a part in; they differ between equal runs.
_CLOCK = re.compile(r"time|.*_time|.*/ms|.*/(?:seconds|timeouts)|.*(?:per_second|runtime)|total_flos")


@dataclass(frozen=True)
class Comparison:
    """Whether one kind of result is the same in two runs.

    Attributes:
        what: "losses", "rewards", "evaluations", "other metrics", "completions" or "weights".
        identical: None where there was nothing to compare.
        compared: how many values were.
        first_step: the first step at which they differ.
        difference: the largest absolute difference, where values are numbers.
        worst: which metric or tensor differs by that.
        detail: in words: what differs first, or why nothing was compared.
    """

    what: str
    identical: bool | None
    compared: int = 0
    first_step: int | None = None
    difference: float | None = None
    worst: str = ""
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `result.json`."""
        return {key: value for key, value in vars(self).items() if key != "what" and value not in (None, "")} | {
            "identical": self.identical
        }

    @property
    def sentence(self) -> str:
        """One line for a terminal."""
        if self.identical is None:
            return f"{self.what}: not compared ({self.detail})"
        if self.identical:
            return f"{self.what}: identical ({self.compared:,} values)"
        first = f", first at step {self.first_step}" if self.first_step is not None else ""
        detail = f" ({self.detail})" if self.detail else ""
        much = f", at most by {self.difference:.3g}" if self.difference is not None else ""
        return f"{self.what}: NOT identical{first}{detail}{much}" + (f" ({self.worst})" if self.worst else "")


def compare_results(a: RunFolder, b: RunFolder) -> list[Comparison]:
    """Compare what came out of two runs: metrics, completions, final weights.

    Args:
        a: a run.
        b: another one.
    """
    return [*compare_metrics(a, b), compare_completions(a, b), compare_weights(a, b)]


def compare_metrics(a: RunFolder, b: RunFolder) -> Iterator[Comparison]:
    """Compare the metrics of every log and evaluation, leaving out what a clock has a part in."""
    ours, theirs = _logs(a), _logs(b)
    for what, belongs in _PARTS.items():
        found: list[tuple[int, str, Any, Any]] = []
        compared = 0
        for kind, step in sorted({*ours, *theirs}, key=lambda key: key[::-1]):
            log, other = ours.get((kind, step), {}), theirs.get((kind, step), {})
            names = sorted(n for n in {*log, *other} if belongs(kind, n) and not _CLOCK.fullmatch(n))
            compared += len(names)
            found += [(step, n, log.get(n), other.get(n)) for n in names if log.get(n) != other.get(n)]
        if not compared:
            yield Comparison(what, None, detail="neither run has any")
            continue
        gaps = [(abs(x - y), n) for _, n, x, y in found if isinstance(x, int | float) and isinstance(y, int | float)]
        gap, worst = max(gaps, default=(None, ""))
        missing = next((n for _, n, x, y in found if x is None or y is None), None)
        detail = f"{found[0][1]}: {_two(found[0][2], found[0][3])}" if found else ""
        if found and missing and not gaps:
            detail = f"{missing} is in one of them only"
        yield Comparison(
            what,
            not found,
            compared,
            found[0][0] if found else None,
            gap,
            worst if found and worst != found[0][1] else "",
            detail,
        )


def _two(x: Any, y: Any) -> str:
    """Two values that differ, in as few digits as show it."""
    short = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in (x, y)]
    return " and ".join(short if short[0] != short[1] else map(str, (x, y)))


def compare_completions(a: RunFolder, b: RunFolder) -> Comparison:
    """Compare the texts of all training completions."""
    ours, theirs = (list(read(run.completions("train"))) for run in (a, b))
    if not ours or not theirs:
        return Comparison("completions", None, detail="a run has none recorded")
    for x, y in zip(ours, theirs, strict=False):
        if x.get("completion") != y.get("completion") or x.get("prompt") != y.get("prompt"):
            step = int(x.get("step") or 0)
            return Comparison("completions", False, len(ours), step, detail=f"group {x.get('group')}")
    if len(ours) != len(theirs):
        last = min(ours[-1].get("step") or 0, theirs[-1].get("step") or 0)
        return Comparison("completions", False, len(ours), last, detail=f"{len(ours):,} and {len(theirs):,} of them")
    return Comparison("completions", True, len(ours))


def compare_weights(a: RunFolder, b: RunFolder) -> Comparison:
    """Compare the final weights."""
    hashes = [hash_weights(run.model) for run in (a, b)]
    if None in hashes:
        lacking = next(run for run, found in zip((a, b), hashes, strict=True) if found is None)
        return Comparison("weights", None, detail=f"{lacking.root} has no model/")
    number = count_values(a.model)
    if hashes[0] == hashes[1]:
        return Comparison("weights", True, number, detail=str(hashes[0]))
    worst = largest_difference(a.model, b.model)
    if worst is None:
        return Comparison("weights", False, number, detail="other tensors, types or shapes")
    return Comparison("weights", False, number, difference=worst[1], worst=worst[0])


def print_differences(a: Path, b: Path) -> int:
    """Print how two runs differ: what they were made of, then what came out of them.

    Args:
        a: a run folder.
        b: another one.

    Returns:
        0 where all is the same, else 1.
    """
    first, second = RunFolder(a), RunFolder(b)
    sections = origin_differences(first, second)
    for section, lines in sections.items():
        print(section, *(f"  {line}" for line in lines), sep="\n")
    if not sections:
        print("configuration, versions, code, rewards, hardware, environment and data are the same")
    print("results")
    outcomes = flat_differences(_outcome(first), _outcome(second))
    for line in outcomes:
        print(f"  {line}")
    comparisons = compare_results(first, second)
    for comparison in comparisons:
        print(f"  {comparison.sentence}")
    same = not sections and not outcomes and all(c.identical is not False for c in comparisons)
    return 0 if same else 1


_PARTS = {
    "losses": lambda kind, name: kind == "train" and name in ("loss", "grad_norm", "kl", "entropy"),
    "rewards": lambda kind, name: kind == "train" and name.split("/")[0] in ("reward", "reward_std", "rewards"),
    "evaluations": lambda kind, name: kind != "train",
    "other metrics": lambda kind, name: (
        kind == "train"
        and name not in ("loss", "grad_norm", "kl", "entropy")
        and name.split("/")[0] not in ("reward", "reward_std", "rewards")
    ),
}


def _logs(run: RunFolder) -> dict[tuple[str, int], dict[str, Any]]:
    """Every log and evaluation by kind and step; the summary at the end is about one process's part of a run."""
    return {
        (str(r.pop("kind")), int(r.pop("step"))): r
        for r in read(run.metrics)
        if r.get("kind") in ("train", "eval", "trl_eval")
    }


def _outcome(run: RunFolder) -> dict[str, Any]:
    """What `result.json` says of the end."""
    result = read_json(run.result)
    return {
        "status": result.get("status"),
        "step": result.get("step"),
        **{str(row["name"]): row.get("value") for row in rows_in(result)},
    }
