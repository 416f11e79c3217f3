"""`sweep`: how a multirun (-m) behaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grpo_cli.config.groups._option import option


@dataclass
class SweepConfig:
    """What is done about jobs that fail or are refused, how much a multirun may take, and how a sampler is set."""

    fail_fast: bool = option(False, help="Stop the multirun at its first failed job; false: record it and go on.")
    invalid: str = option(
        "skip",
        help="What is done about jobs whose configuration is refused, all of which are found before the first one "
        "starts: skip (list them, run the rest) or fatal (list them, run none).",
        choices=("skip", "fatal"),
    )
    timeout: str | int | float | None = option(
        None,
        help="Wall time of one start of the multirun, as 90s, 30m, 8h, 2d or seconds: when it is over, no job is "
        "started, and those that run save a checkpoint and end; the same command goes on with them.",
    )
    gpu_hours: float | None = option(
        None, help="GPU hours of all its jobs together, over all starts; what happens when they are spent is as above."
    )
    # --- with sweep=optuna ---
    n_trials: int | str = option(
        "auto",
        help="Trials over all starts: raised, the same command goes on. Those that fail, are refused or are pruned "
        "count. auto: 20, and with sampler=grid all its points.",
    )
    sampler: str = option(
        "tpe",
        help="What thinks up the trials: tpe, cmaes (numbers only), random, grid (each point once), nsga2 (several "
        "objectives, many trials).",
        choices=("tpe", "cmaes", "random", "grid", "nsga2"),
    )
    sampler_options: dict[str, Any] = option(
        {}, help="Arguments of Optuna's sampler under its own names: n_startup_trials, popsize, population_size, …"
    )
    seed: int = option(0, help="Seed of the sampler; the runs have `seed`.")
    space: dict[str, Any] = option(
        {},
        help="What is varied: key → values in Hydra's sweep syntax, choice(a,b), range(1,6), interval(0.1,0.9), "
        "tag(log,interval(1e-5,1e-3)), or {values: …, when: other_key=value}. The command line wins over it.",
    )
    pruner: str = option(
        "none",
        help="What ends trials that do worse than others: none, median, asha (successive halving), hyperband.",
        choices=("none", "median", "asha", "hyperband"),
    )
    pruner_options: dict[str, Any] = option(
        {}, help="Arguments of Optuna's pruner under its own names: n_startup_trials, reduction_factor, …"
    )
    prune_on: str = option(
        "objective",
        help="The metric of the evaluations during training that the pruner goes by, eval/<data set>/<metric>; "
        "objective: the objective itself. Its direction is the objective's.",
    )
    batch: int = option(
        4, help="Trials thought up at once where another launcher than slots runs them (joblib, submitit)."
    )
