"""`evaluation`: measuring the model on held-out prompts before, during and after training."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import option


@dataclass
class EvaluationConfig:
    """What is evaluated, how often, and how it is sampled; apart from TRL's own `training.eval_strategy`."""

    every: int | None = option(None, help="Optimizer steps between evaluations; null: only before and after training.")
    baseline: bool = option(True, help="Evaluate the untrained model first, so that the gain can be told.")
    limit: int | None = option(256, help="Held-out prompts used, the same ones every time; null: all of them.")
    batch_size: int = option(64, help="Prompts generated at once on each process.")
    temperature: float = option(0.0, help="Sampling temperature; 0 is greedy decoding.")
    seed: int = option(0, help="Seed of the choice of prompts and of sampling: not `seed`, so that runs compare.")
    max_completion_length: int | None = option(
        None, help="Longest completion in tokens; null: training.max_completion_length."
    )
