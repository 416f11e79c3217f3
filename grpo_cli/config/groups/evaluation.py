"""`evaluation`: measuring the model on held-out prompts before, during and after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grpo_cli.config.groups._option import option

METRIC_HELP = (
    "`auto` is accuracy on the held-out rows where a reward tells right from wrong, else their reward; any other is "
    "named in full, eval/<data set>/<metric>, or train/reward, train/loss, … for a metric of training."
)


@dataclass
class EvaluationConfig:
    """What is evaluated, how often, and how it is sampled; apart from TRL's own `training.eval_strategy`."""

    # --- when ---
    every: int | float | None = option(
        None,
        help="Optimizer steps between evaluations, or a share of training below 1; null: only before and after it.",
    )
    baseline: bool = option(True, help="Evaluate the untrained model first, so that the gain can be told.")
    # --- what ---
    datasets: dict[str, Any] = option(
        {},
        help="Further data sets by name, beside the run's own held-out rows; each takes the keys of `dataset`, or is a "
        "path. Its test split is used where it has one.",
    )
    held_out: bool = option(True, help="Evaluate the run's own held-out rows, as the data set `held_out`.")
    reward: dict[str, Any] = option(
        {},
        help="The rewards that score the answers, by name, as in `reward`; none: the run's rewards that tell right "
        "from wrong, or all of them where none does.",
    )
    tags: list[str] = option([], help="Columns whose values split the metrics, such as a subject or a level.")
    limit: int | None = option(256, help="Prompts used of each data set, the same ones every time; null: all of them.")
    # --- how the answers are sampled ---
    samples: int = option(1, help="Answers to each prompt; several need a temperature above 0.")
    temperature: float = option(0.0, help="Sampling temperature; 0 is greedy decoding.")
    top_p: float = option(1.0, help="Sample from the most likely tokens that hold this share of the probability.")
    top_k: int = option(0, help="Sample from so many of the most likely tokens; 0: from all.")
    seed: int = option(0, help="Seed of the choice of prompts and of sampling: not `seed`, so that runs compare.")
    max_completion_length: int | None = option(
        None, help="Longest completion in tokens; null: training.max_completion_length."
    )
    batch_size: int = option(64, help="Completions generated at once on each process.")
    # --- what is made of them ---
    k: list[int] | str = option(
        "auto",
        help="The k of pass@k, maj@k and best@k, each at most `samples`; auto: `samples` itself where that is above 1.",
    )
    answer: str | None = option(
        None,
        help="Function of your own from a completion's text to the answer that maj@k counts, 'path/to/file.py:name'; "
        "null: what the first reward that tells right from wrong looks at.",
    )


@dataclass
class EarlyStoppingConfig:
    """Ends training when a metric of the evaluations has stopped getting better."""

    metric: str | None = option(None, help=f"What has to get better; null: training never ends early. {METRIC_HELP}")
    patience: int = option(3, help="How many evaluations in a row may be no better than the best before them.")
    min_delta: float = option(0.0, help="By how much an evaluation has to beat the best one to count as better.")
    mode: str = option("max", help="Whether more (max) or less (min) is better.", choices=("max", "min"))


@dataclass
class BestConfig:
    """Keeps the checkpoints of the best evaluations; `model/` then is the best of them and not the last."""

    metric: str | None = option(None, help=f"What the best is best at; null: model/ is the last model. {METRIC_HELP}")
    mode: str = option("max", help="Whether more (max) or less (min) is better.", choices=("max", "min"))
    keep: int = option(1, help="How many of the best checkpoints stay, whatever training.save_total_limit says.")
