"""`doctor`: rules that watch a run's metrics and say what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import option


@dataclass
class DoctorConfig:
    """Whether it watches, what ends a run, and the few thresholds that depend on taste."""

    enabled: bool = option(True, help="Watch the run's metrics and completions, and tell what looks wrong.")
    stop_on: list[str] = option(
        [], help="Rules that end the run when they fire: a checkpoint is saved, and the exit code is 1."
    )
    patience: int = option(50, help="Optimizer steps without any gain in reward after which it counts as flat.")
    zero_variance: float = option(
        0.9, help="Share of groups whose completions all got one reward, from which on there is too little to learn."
    )
    truncated: float = option(0.9, help="Share of completions cut at the limit, from which on nearly all are.")
    max_kl: float = option(2.0, help="KL to the reference model, in nats a token, that counts as a blow-up.")
    max_mismatch: float = option(
        0.1,
        help="Mean difference of log-probabilities a token between rollout engine and trainer that counts as drift.",
    )
