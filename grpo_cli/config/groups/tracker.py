"""`tracker`: where metrics go beside the run folder."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import option


@dataclass
class TrackerConfig:
    """The experiment tracker; its files set `training.report_to` and the tracker's own training keys."""

    name: str = option(
        "none",
        help="The tracker in use (metrics.jsonl in the run folder is always written).",
        choices=("none", "tensorboard", "wandb", "trackio", "mlflow"),
    )
