"""What the rules know of a run beside its metrics: the few settings that give the numbers their meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Facts:
    """Settings of the run that is watched.

    Attributes:
        weights: the weight of each reward in the sum.
        normalised: whether each reward is brought to one scale before it is summed.
        groups_per_step: prompts an optimizer step learns from, over all ranks.
        num_generations: G, completions of one prompt.
        max_completion_length: where completions are cut, in tokens.
        learning_rate: its highest value.
        warmup_steps: steps until it is reached.
        max_grad_norm: what gradients are clipped to; 0: not at all.
        beta: weight of the KL term; 0: none.
        num_iterations: updates on each generated batch.
        sequence_level: whether importance ratios are those of whole completions.
        measured_by_trl: whether TRL itself compares sampled with trained log-probabilities, as it does with vLLM;
            elsewhere `training/mismatch.py` does, and names the cause that it has measured.
        mismatch_causes: settings of the run that make the two differ, the likeliest first.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    normalised: bool = False
    groups_per_step: float = 8.0
    num_generations: int = 8
    max_completion_length: int = 256
    learning_rate: float = 1e-6
    warmup_steps: float = 0
    max_grad_norm: float = 1.0
    beta: float = 0.0
    num_iterations: int = 1
    sequence_level: bool = False
    measured_by_trl: bool = False
    mismatch_causes: tuple[str, ...] = ()

    def adding(self, reward: str, settings: str = "") -> tuple[str, ...]:
        """The override that adds a reward to the run's own; none where the run has it, or its rewards are not known.

        Example:
            >>> Facts(weights={"exact_match": 1.0}).adding("format")
            ('+reward=format',)
        """
        if not self.weights or reward in self.weights:
            return ()
        return (f"+reward={reward} {settings}".rstrip(),)

    @classmethod
    def of(cls, known: Mapping[str, Any]) -> Facts:
        """Make facts out of what is known; other keys are passed over, missing ones take their defaults."""
        names = {f.name for f in fields(cls)}
        return cls(**{key: value for key, value in known.items() if key in names and value is not None})


def facts_of(arguments: Any, rewards: Mapping[str, Any], mismatch_causes: Sequence[str] = ()) -> Facts:
    """The facts of a run.

    Args:
        arguments: TRL's `GRPOConfig`.
        rewards: the `reward` section.
        mismatch_causes: see `rollout.causes.likely`.
    """
    per_step = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
    return Facts(
        weights={str(name): highest_weight(entry or {}) for name, entry in rewards.items()},
        normalised=arguments.multi_objective_aggregation == "normalize_then_sum"
        or any((entry or {}).get("normalize") == "running" for entry in rewards.values()),
        groups_per_step=per_step / arguments.num_generations,
        num_generations=arguments.num_generations,
        max_completion_length=arguments.max_completion_length or 0,
        learning_rate=arguments.learning_rate,
        warmup_steps=arguments.warmup_steps or 0,
        max_grad_norm=arguments.max_grad_norm or 0.0,
        beta=arguments.beta,
        num_iterations=arguments.num_iterations,
        sequence_level=arguments.importance_sampling_level != "token",
        measured_by_trl=bool(arguments.use_vllm),
        mismatch_causes=tuple(mismatch_causes),
    )


def highest_weight(reward: Mapping[str, Any]) -> float:
    """The most that a reward weighs: its weight, or the highest of its schedule."""
    schedule = reward.get("schedule")
    return max(map(float, schedule.values())) if schedule else float(reward.get("weight", 1.0))
