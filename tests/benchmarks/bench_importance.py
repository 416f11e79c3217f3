"""Does the leaderboard's measure of what mattered find the key that did, and does Optuna's PED-ANOVA?

    python tests/benchmarks/bench_importance.py

Planted searches of 12 and 24 jobs: the objective is a parabola in the logarithm of one key, another key has three words
and hardly matters, a third one not at all. Prints how often each measure ranks the planted key first (100 searches).
"""

from __future__ import annotations

import random
import warnings

from grpo_cli.report.read import Run
from grpo_cli.report.sweep.importance import importances
from grpo_cli.report.sweep.read import Trial
from grpo_cli.report.sweep.variables import variables
from grpo_cli.runs.folder import RunFolder

SEARCHES = 100


def search(kind: str, jobs: int, draw: random.Random) -> list[tuple[dict[str, object], float]]:
    """Settings and objectives: drawn at random, around the optimum as a sampler does, or on a grid."""
    found = []
    for i in range(jobs):
        if kind == "grid":
            exponent, word, other = (-5.0, -3.5, -2.0)[i % 3], "ab"[i // 3 % 2], (0.2, 0.8)[i // 6 % 2]
        else:
            near = kind == "sampler" and draw.random() < 0.6
            exponent = min(-2.0, max(-5.0, draw.gauss(-3.3, 0.25))) if near else draw.uniform(-5, -2)
            word, other = draw.choice("abc"), draw.random()
        value = 0.9 - 0.25 * (exponent + 3.3) ** 2 + 0.03 * (word == "b") + draw.gauss(0, 0.1)
        found.append(({"planted": 10**exponent, "word": word, "other": other}, value))
    return found


def ours(found: list[tuple[dict[str, object], float]]) -> str:
    """The key that the leaderboard ranks first."""
    trials = [
        Trial(i, [f"{k}={v}" for k, v in keys.items()], "completed", [value], 1.0, Run(RunFolder(__file__)))  # type: ignore[arg-type]
        for i, (keys, value) in enumerate(found)
    ]
    return importances(trials, variables(trials))[0].key


def optunas(found: list[tuple[dict[str, object], float]]) -> str:
    """The key that PED-ANOVA ranks first."""
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    ranges = {"planted": FloatDistribution(1e-5, 1e-2, log=True), "word": CategoricalDistribution(list("abc"))}
    ranges["other"] = FloatDistribution(0, 1)
    study = optuna.create_study(direction="maximize")
    for keys, value in found:
        keys = {**keys, "planted": min(1e-2, max(1e-5, keys["planted"]))}
        study.add_trial(optuna.trial.create_trial(params=keys, distributions=ranges, value=value))
    shares = optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
    return next(iter(shares))


def main() -> None:
    """Print the table."""
    import optuna

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for kind in ("random", "sampler", "grid"):
        for jobs in (12, 24):
            searches = [search(kind, jobs, random.Random(seed)) for seed in range(SEARCHES)]
            told = [sum(rank(s) == "planted" for s in searches) for rank in (ours, optunas)]
            print(f"{kind:8} {jobs} jobs: leaderboard {told[0]}, PED-ANOVA {told[1]} of {SEARCHES}")


if __name__ == "__main__":
    main()
