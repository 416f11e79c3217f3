"""Each tracker's own way to hold a configuration, late metrics and a table of completions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from omegaconf import OmegaConf

if TYPE_CHECKING:
    from grpo_cli.training.trainer import RunTrainer

Rows = Sequence[dict[str, Any]]


class Sink(Protocol):
    """A tracker's run that its integration has started."""

    name: str

    def begin(self, config: dict[str, Any]) -> None:
        """Take the whole configuration."""

    def metrics(self, values: dict[str, float], step: int) -> None:
        """Take metrics that TRL does not log."""

    def completions(self, title: str, rows: Rows, step: int) -> None:
        """Take some completions as a table."""

    def close(self) -> None:
        """End what was opened again after the integration had ended its run."""


class TensorBoard:
    """Event files beside the checkpoints: text for the configuration and the completions."""

    name = "tensorboard"

    def __init__(self, trainer: RunTrainer) -> None:
        self.trainer = trainer
        self.logging_dir: str | None = None
        self.own: Any = None

    def _writer(self) -> Any:
        """The integration's writer; one of our own where it has closed it."""
        from transformers.integrations import TensorBoardCallback

        callback: Any = next(c for c in self.trainer.callback_handler.callbacks if isinstance(c, TensorBoardCallback))
        self.logging_dir = callback.logging_dir or self.logging_dir
        if callback.tb_writer is not None:
            return callback.tb_writer
        if self.own is None:
            from torch.utils.tensorboard import SummaryWriter

            self.own = SummaryWriter(log_dir=self.logging_dir)
        return self.own

    def begin(self, config: dict[str, Any]) -> None:
        """As text, in YAML."""
        text = OmegaConf.to_yaml(OmegaConf.create(config))
        self._writer().add_text("config", "".join(f"    {line}\n" for line in text.splitlines()))

    def metrics(self, values: dict[str, float], step: int) -> None:
        """As scalars, under their names."""
        for name, value in values.items():
            self._writer().add_scalar(name, value, step)

    def completions(self, title: str, rows: Rows, step: int) -> None:
        """As text: a table in Markdown."""
        self._writer().add_text(title, markdown(rows), step)

    def close(self) -> None:
        """Close the writer opened for the last evaluation."""
        if self.own is not None:
            self.own.close()


class Wandb:
    """Weights & Biases: the run stays open until the process ends."""

    name = "wandb"

    def __init__(self, trainer: RunTrainer) -> None:
        import wandb

        self.wandb = wandb

    def begin(self, config: dict[str, Any]) -> None:
        """As the key grpo_train of the run's config."""
        self.wandb.config.update({"grpo_train": config}, allow_val_change=True)

    def metrics(self, values: dict[str, float], step: int) -> None:
        """Beside the integration's metrics, with its own step as the axis."""
        self.wandb.log({**values, "train/global_step": step})

    def completions(self, title: str, rows: Rows, step: int) -> None:
        """As a table."""
        table = self.wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])
        self.wandb.log({title: table, "train/global_step": step})

    def close(self) -> None:
        """Upload what is left, or write it out where the run is offline."""
        self.wandb.finish()


class Trackio:
    """trackio: its integration ends the run with training, so the last evaluation resumes it."""

    name = "trackio"

    def __init__(self, trainer: RunTrainer) -> None:
        import trackio

        self.trackio = trackio
        self.args: Any = trainer.args
        self.reopened = False
        self.config: dict[str, Any] = {}

    def _run(self) -> Any:
        """The module, with the run active; resuming would empty its config, so it is given once more."""
        if self.trackio.context_vars.current_run.get() is None:
            self.trackio.init(
                project=self.args.project, name=self.args.run_name, resume="allow", config=self.config, embed=False
            )
            self.reopened = True
        return self.trackio

    def begin(self, config: dict[str, Any]) -> None:
        """As the key grpo_train of the run's config."""
        self._run().config.update({"grpo_train": config}, allow_val_change=True)
        self.config = {key: value for key, value in dict(self.trackio.config).items() if not key.startswith("_")}

    def metrics(self, values: dict[str, float], step: int) -> None:
        """Beside the integration's metrics."""
        self._run().log({**values, "train/global_step": step})

    def completions(self, title: str, rows: Rows, step: int) -> None:
        """As a table."""
        import pandas

        table = self.trackio.Table(dataframe=pandas.DataFrame(list(rows)))
        self._run().log({title: table, "train/global_step": step})

    def close(self) -> None:
        """End the run where it was resumed."""
        if self.reopened:
            self.trackio.finish()


class MLflow:
    """MLflow: configuration and completions are artifacts; the last evaluation resumes the run."""

    name = "mlflow"

    def __init__(self, trainer: RunTrainer) -> None:
        import mlflow

        self.mlflow = mlflow
        self.run_id: str | None = None

    def _run(self) -> Any:
        """The module, with the run active."""
        active = self.mlflow.active_run()
        if active is not None:
            self.run_id = active.info.run_id
        elif self.run_id is not None:
            self.mlflow.start_run(run_id=self.run_id)
        return self.mlflow

    def begin(self, config: dict[str, Any]) -> None:
        """As the artifact config.yaml."""
        self._run().log_dict(config, "config.yaml")

    def metrics(self, values: dict[str, float], step: int) -> None:
        """Under their names."""
        self._run().log_metrics(values, step=step)

    def completions(self, title: str, rows: Rows, step: int) -> None:
        """As an artifact that grows: a table in JSON."""
        columns = {key: [row[key] for row in rows] for key in rows[0]}
        self._run().log_table(data=columns, artifact_file=f"{title}.json")

    def close(self) -> None:
        """End the run that was resumed."""
        if self.mlflow.active_run() is not None:
            self.mlflow.end_run()


SINKS: dict[str, Callable[[RunTrainer], Sink]] = {
    "tensorboard": TensorBoard,
    "wandb": Wandb,
    "trackio": Trackio,
    "mlflow": MLflow,
}


def markdown(rows: Rows) -> str:
    """Rows as a table in Markdown.

    Example:
        >>> print(markdown([{"prompt": "1+1?", "reward": 1.0}, {"prompt": "a|b", "reward": None}]))
        | prompt | reward |
        |---|---|
        | 1+1? | 1.0 |
        | a\\|b |  |
    """

    def cell(value: Any) -> str:
        text = "" if value is None else str(value)
        return text.replace("|", "\\|").replace("\n", "<br>")

    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(cell(row[c]) for c in columns)} |" for row in rows)])
