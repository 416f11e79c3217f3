"""One run's held-out results prompt by prompt: what two runs of one seed each are compared by."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from statistics import fmean, pstdev

from grpo_cli.report.read import Record
from grpo_cli.report.sweep.read import Trial
from grpo_cli.report.sweep.student import mean_interval, mean_p
from grpo_cli.runs.jsonl import read

FEW_RESAMPLES = 0.002
"""Below such an alpha the tail of 2,000 resampled means is too thin, and Student's t over the prompts takes over."""


def per_prompt(trial: Trial, metric: str) -> dict[str, float]:
    """The value of each held-out prompt, at the evaluation the objective is of.

    Args:
        trial: a job.
        metric: `eval/<data set>/<metric>`; others have no value per prompt.

    Returns:
        Prompt (as text, with its place) → value; empty where it is not recorded, or where the mean of what is
        recorded is not the objective, so that nothing is compared that is not what it is called.
    """
    parts = metric.split("/")
    if len(parts) != 3 or parts[0] != "eval" or not trial.run.evals:
        return {}
    from grpo_cli.evaluation.metrics import chosen_k, correctness_rewards, evaluation_rewards
    from grpo_cli.evaluation.summary import Measures, prompt_table

    best = trial.run.result.get("best")
    step = best.get("step") if isinstance(best, dict) else trial.run.evals[-1]["step"]
    latest: dict[tuple[int, int], Record] = {}  # of a step evaluated twice (a run taken up again) the later one
    for record in read(trial.run.folder.completions("eval")):
        if record.get("step") == step and record.get("dataset", "held_out") == parts[1]:
            latest[record.get("group", 0), record.get("sample", 0)] = record
    try:
        rewards = evaluation_rewards(trial.run.config)
        measures = Measures(list(rewards), correctness_rewards(rewards), chosen_k(trial.run.config["evaluation"]))
        place = measures.names.index(parts[2])
        table = prompt_table(latest.values(), measures)
    except (KeyError, TypeError, ValueError, AttributeError):  # a damaged record, or a metric we cannot recompute
        return {}
    asked = {group: json.dumps(r.get("prompt"), sort_keys=True) for (group, _), r in latest.items()}
    found = {f"{p} {asked[p]}": float(v) for p, v in zip(table.prompts, table.values[:, place], strict=True)}
    found = {prompt: value for prompt, value in found.items() if not math.isnan(value)}
    said = trial.objective
    if not found or said is None or abs(fmean(found.values()) - said) > 1e-6 * max(1.0, abs(said)):
        return {}
    return found


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1 by its nature."""
    name = metric.rpartition("/")[2]
    return name in ("accuracy", "truncated") or name.startswith(("pass@", "maj@"))


def interval(differences: Sequence[float], alpha: float, share: bool) -> tuple[float, float, float, float]:
    """The mean difference of two runs over the prompts that both were asked.

    Args:
        differences: one a prompt, at least two.
        alpha: the chance that the interval misses.
        share: whether the metric lies between 0 and 1.

    Returns:
        Mean, lower and upper end, p-value. Where all prompts differ alike and no bounds are known, nothing can be told.
    """
    mean, count = fmean(differences), len(differences)
    varies = pstdev(differences) > 0
    p = mean_p(differences) if varies else 1.0
    if not varies and not share:
        return mean, -math.inf, math.inf, p
    if not varies and mean:
        p = min(1.0, 2 * (1 + abs(mean)) ** -count)  # at this confidence the interval below reaches 0
    if alpha >= FEW_RESAMPLES or not varies:
        import numpy as np

        from grpo_cli.evaluation.intervals import paired_difference

        table = np.array(differences)
        _, low, high = paired_difference(table, np.zeros(count), shares=share, confidence=1 - alpha)
        return mean, float(low), float(high), p
    return *mean_interval(differences, alpha), p
