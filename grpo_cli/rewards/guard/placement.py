"""Where a reward runs: in a worker process that can be killed, or in the training process."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.reward import Reward

# Only the training process has these, and they cannot be sent to another one.
_OF_THE_TRAINER = ("tokenizer", "device", "trainer_state", "log_extra", "log_metric", "environments")


@dataclass(frozen=True)
class Placement:
    """Where a reward runs, and why.

    Attributes:
        where: "workers" or "here".
        own_worker: whether it always runs in the same worker, so that its object keeps its state.
        why: for the user.
    """

    where: str
    own_worker: bool
    why: str


def place(reward: Reward, isolate: str) -> Placement:
    """Decide where a reward runs.

    Args:
        reward: the reward.
        isolate: "auto", "workers" or "here".

    Raises:
        ConfigError: workers are asked for and it cannot run in one.
    """
    if isolate == "here":
        return Placement("here", False, "as isolate says")
    taken = {*reward.signature.accepts, *(reward.maker.accepts if reward.maker else ())}
    needs = [name for name in _OF_THE_TRAINER if name in taken]
    why = "it is async" if reward.is_async else f"it takes {', '.join(needs)}" if needs else ""
    if why and isolate == "workers":
        raise ConfigError(
            f"reward.{reward.__name__}.isolate cannot be workers: {why}, which only works in the training process; "
            "write auto or here"
        )
    if why:
        return Placement("here", False, why)
    if reward.maker:
        return Placement("workers", True, "in a worker of its own, where its object keeps its state")
    return Placement("workers", False, "in processes that can be killed")
