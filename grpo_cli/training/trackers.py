"""What transformers' tracker integrations leave out: the whole configuration, held-out metrics, completions.

The integrations themselves (`training.report_to`) start and end the tracker's run and log what TRL logs. This adds to
the same run, through each tracker's own public functions. A tracker that fails here is told of once; the run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from grpo_cli.doctor.digest import text_of
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.recorder import Recorder
from grpo_cli.training.tracker_sinks import SINKS, Sink

if TYPE_CHECKING:
    from grpo_cli.training.trainer import RunTrainer

COMPLETIONS = 16
"""Completions of a batch that are shown in a tracker; all of them are in the run folder."""


class Tracking(TrainerCallback):
    """Adds to the trackers' runs on rank 0: as a callback it knows when, as a recorder's listener it knows what.

    Args:
        sinks: one for each tracker in use.
        recorder: where a failing tracker is told of.
        config: the frozen configuration, its secrets still references.
    """

    def __init__(self, sinks: Sequence[Sink], recorder: Recorder, config: dict[str, Any]) -> None:
        self.sinks = list(sinks)
        self.recorder = recorder
        self.config = config
        self.begun = False
        self._early: list[Callable[[Sink], None]] = []
        self._batch: list[dict[str, Any]] = []

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The integrations have started their runs: hand on the configuration, and what was measured before."""
        self.begun = True
        self._each(lambda sink: sink.begin(self.config))
        for work in self._early:
            self._each(work)
        self._early.clear()

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Show some completions of the batch that was just logged."""
        if self._batch:
            rows, step = self._batch, state.global_step
            self._each(lambda sink: sink.completions("completions/train", rows, step))
            self._batch = []

    def on_metrics(self, record: Mapping[str, Any]) -> None:
        """Held-out metrics were recorded: before training, during it, or when it has ended."""
        if record["kind"] == "eval":
            step = int(record["step"])
            values = {k: v for k, v in record.items() if k.startswith("eval/") and isinstance(v, int | float)}
            self._when_begun(lambda sink: sink.metrics(values, step))

    def on_completions(self, split: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Completions were recorded."""
        rows = [as_row(record) for record in records[:COMPLETIONS]]
        if split == "train":
            self._batch = rows
        elif split == "eval" and rows:
            step, title = int(records[0]["step"]), f"completions/{records[0].get('dataset') or 'eval'}"
            self._when_begun(lambda sink: sink.completions(title, rows, step))

    def close(self) -> None:
        """End what was opened again after training, for the last evaluation."""
        self._each(lambda sink: sink.close())

    def _when_begun(self, work: Callable[[Sink], None]) -> None:
        """Do something with each tracker now, or as soon as its run has begun."""
        if self.begun:
            self._each(work)
        else:
            self._early.append(work)

    def _each(self, work: Callable[[Sink], None]) -> None:
        """Do something with each tracker; one that fails is told of and left alone from then on."""
        for sink in list(self.sinks):
            try:
                work(sink)
            except Exception as error:  # a tracker may raise anything, and training does not need it
                self.sinks.remove(sink)
                text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                self.recorder.warning(f"tracker={sink.name}: no more evaluations and completions there ({text})")


def as_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """A completion as a row of a table: what was asked, what came back, what it earned."""
    return {
        "step": record["step"],
        "prompt": text_of(record["prompt"]),
        "completion": text_of(record["completion"]),
        "reward": record["reward"],
        **{name: value for name, value in record["rewards"].items() if len(record["rewards"]) > 1},
    }


def attach_trackers(trainer: RunTrainer, folder: RunFolder, recorder: Recorder) -> Tracking | None:
    """Add to the trackers that `training.report_to` names, on rank 0.

    Returns:
        The callback, to be closed at the end of the run; None where there is nothing to add to.
    """
    wanted = trainer.args.report_to
    names = [str(name) for name in (wanted if isinstance(wanted, list) else [wanted])]
    sinks = [SINKS[name](trainer) for name in names if name in SINKS]
    if not sinks or not recorder.enabled:
        return None
    config = OmegaConf.to_container(OmegaConf.load(folder.config), resolve=False)
    assert isinstance(config, dict)
    tracking = Tracking(sinks, recorder, {str(key): value for key, value in config.items()})
    trainer.add_callback(tracking)
    recorder.listeners.append(tracking)
    return tracking
