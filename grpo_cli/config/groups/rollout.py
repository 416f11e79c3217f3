"""`rollout`: what generates the completions, as far as TRL has no key for it (its own are under `training`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grpo_cli.config.groups._option import option


@dataclass
class RolloutConfig:
    """A server that runs already, and how far sampled and trained log-probabilities may differ."""

    url: str | None = option(
        None, "Address of a running vLLM server to generate with (http://host:8000); null: one is started."
    )
    mismatch_every: int | None = option(
        50, "Optimizer steps between two comparisons of sampled with trained log-probabilities; null: never."
    )
    mismatch_tolerance: float = option(
        0.05, "Mean difference of the two, in nats a token, beyond which the run warns and names the cause."
    )


@dataclass
class RolloutServerConfig:
    """The vLLM server that a run starts for itself and ends."""

    gpus: int = option(1, "GPUs for the server, taken from the end of the visible ones and away from the trainer.")
    port: int | str = option("auto", "Port it listens on, on this machine only; auto: a free one for each run.")
    args: dict[str, Any] = option(
        {}, "Further options of trl vllm-serve and vllm serve, e.g. rollout.server.args.max_num_seqs=64."
    )
    env: dict[str, Any] = option({}, "Environment variables for the server, on top of yours.")
    command: str | list[str] | None = option(
        None, "What starts the server in place of trl vllm-serve; it is given the same options."
    )
