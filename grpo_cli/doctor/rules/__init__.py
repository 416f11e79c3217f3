"""The rules, by name: each a pure function of the run's history that yields what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from grpo_cli.config.groups.doctor import DoctorConfig
from grpo_cli.doctor.facts import Facts
from grpo_cli.doctor.finding import Finding
from grpo_cli.doctor.history import History
from grpo_cli.doctor.rules import drift, hacking, lengths, rewards, signal, speed, stability

Rule = Callable[[History, Facts, DoctorConfig], Iterator[Finding]]

RULES: dict[str, Rule] = {
    "zero_variance": signal.zero_variance,
    "truncated": lengths.truncated,
    "reward_flat": signal.reward_flat,
    "reward_collapse": signal.reward_collapse,
    "reward_hacking": hacking.reward_hacking,
    "degenerate": hacking.degenerate,
    "not_finite": stability.not_finite,
    "kl_blow_up": stability.kl_blow_up,
    "gradient_blow_up": stability.gradient_blow_up,
    "entropy_collapse": stability.entropy_collapse,
    "length_explosion": lengths.length_explosion,
    "length_collapse": lengths.length_collapse,
    "rollout_mismatch": drift.rollout_mismatch,
    "ratio_drift": drift.ratio_drift,
    "one_reward_dominates": rewards.one_reward_dominates,
    "reward_failures": rewards.reward_failures,
    "throughput_halved": speed.throughput,
    "loss_zero": signal.loss_zero,
}

# A run that one of these finds goes on as well as before.
NEVER_STOPS = ("loss_zero",)
