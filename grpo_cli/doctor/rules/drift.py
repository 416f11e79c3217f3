"""The policy that is trained and the one that sampled, growing apart."""

from __future__ import annotations

from collections.abc import Iterator

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import WARNING, Finding
from grpo_cli.doctor.history import History, mean
from grpo_cli.doctor.wording import number, percent, rate

_DIFFERENCE = "sampling/sampling_logp_difference/mean"
_RATIO = "sampling/importance_sampling_ratio/mean"
_CLIPPED = "clip_ratio/region_mean"
_CLIPPED_SHARE = 0.1


def rollout_mismatch(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """Tokens that vLLM sampled have other probabilities in the trainer.

    With `model.generate` the run itself measures, warns, and names the cause (`training/mismatch.py`).
    """
    if not facts.measured_by_trl:
        return
    recent, ratio = history.recent(_DIFFERENCE), history.recent(_RATIO)
    differs = bool(recent) and mean(recent) > settings.max_mismatch
    apart = bool(ratio) and not 0.8 <= mean(ratio) <= 1.25
    if not differs and not apart:
        return
    told = [f"log-probabilities differ by {number(mean(recent))} a token"] if recent else []
    told += [f"mean importance ratio {number(mean(ratio))}"] if ratio else []
    start = history.start(_DIFFERENCE)
    before = f", {number(mean(start))} at the start" if start else ""
    yield Finding(
        "rollout_mismatch",
        WARNING,
        "the rollout engine and the trainer disagree on how likely the completions are",
        " and ".join(told) + f" over the last {history.steps_of(recent or ratio)} steps{before}",
        f"Likely: {'; '.join(facts.mismatch_causes)}."
        if facts.mismatch_causes
        else "Weights that reach the engine late, or another precision or kernel there.",
        ("training.vllm_importance_sampling_correction=true", "rollout=transformers"),
    )


def ratio_drift(history: History, facts: Facts, settings: DoctorConfig) -> Iterator[Finding]:
    """A large share of tokens is clipped: the policy moves too far on one batch of completions.

    Ratios of whole sequences (GSPO, https://arxiv.org/abs/2507.18071) are clipped at far narrower bounds, and often.
    """
    recent = history.recent(_CLIPPED)
    if not recent or mean(recent) <= _CLIPPED_SHARE or facts.sequence_level:
        return
    fewer = max(1, facts.num_iterations // 2)
    yield Finding(
        "ratio_drift",
        WARNING,
        "the policy moves too far on each batch of completions",
        f"{percent(mean(recent))} of tokens were clipped over the last {history.steps_of(recent)} steps",
        "Too many updates on one batch, or too large ones: most of them have no gradient left.",
        (
            *((f"training.num_iterations={fewer}",) if facts.num_iterations > 1 else ()),
            f"training.learning_rate={rate(facts.learning_rate / 3)}",
        ),
    )
