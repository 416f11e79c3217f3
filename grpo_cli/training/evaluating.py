"""Evaluations between steps: when they are made, and what follows: an early end, a best checkpoint, a best model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from grpo_cli.data.splits import prompt_key, prompt_keys
from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.blocks import Sampling
from grpo_cli.evaluation.held_out import HeldOutEvaluation
from grpo_cli.evaluation.metrics import HELD_OUT
from grpo_cli.evaluation.scoring import Scorer
from grpo_cli.evaluation.selection import Selection, due
from grpo_cli.evaluation.sets import EvaluationSet, build_sets, meant_by
from grpo_cli.preflight.objective import TRAIN_PREFIX
from grpo_cli.rewards.text import prompt_opens_think
from grpo_cli.runs.jsonl import read, write_json
from grpo_cli.runs.recorder import Recorder
from grpo_cli.runs.result import read_json

if TYPE_CHECKING:
    from grpo_cli.rewards.guard.guarded import GuardedReward
    from grpo_cli.training.trainer import RunTrainer

# Written into each checkpoint: what early stopping and the best checkpoints have seen so far.
SELECTION_STATE = "selection.json"


def build_evaluation(
    config: dict[str, Any],
    trainer: RunTrainer,
    held_out: Any,
    rewards: list[GuardedReward],
    recorder: Recorder,
) -> HeldOutEvaluation | None:
    """Build a run's evaluation out of its configuration.

    Args:
        config: the configuration.
        trainer: whose policy is evaluated.
        held_out: the run's held-out rows, or None.
        rewards: what scores the answers (`evaluation.scoring.evaluation_guard`).
        recorder: where metrics and completions go.

    Returns:
        The evaluation; None where there is nothing to evaluate on.

    Raises:
        ConfigError: a data set cannot be used, or what early stopping or the best model goes by is not measured.
    """
    settings = config["evaluation"]
    sampling = Sampling.of(settings, trainer.args.max_completion_length)
    opens = prompt_opens_think(trainer.processing_class, config["training"].get("chat_template_kwargs"))
    scorer = Scorer(config, rewards, trainer.combiner, opens)
    sets = build_sets(
        settings,
        held_out if isinstance(held_out, Dataset) else None,
        tokenizer=trainer.processing_class,
        tokenize=lambda prompts: trainer._tokenize_prompts(prompts)[0],
        sampling=sampling,
        seed=config["seed"],
    )
    scorer.check(sets)
    for note in seen_in_training(sets, trainer.train_dataset):
        recorder.warning(note)
    for key in ("early_stopping", "best"):
        metric = settings[key]["metric"]
        if metric and metric.startswith(f"eval/{HELD_OUT}/") and HELD_OUT not in {one.name for one in sets}:
            raise ConfigError(
                f"evaluation.{key}.metric={metric} is measured on held-out rows, and there are none; write "
                "dataset.test_size=<how many> or name data in evaluation.datasets."
            )
        if metric and (meant := meant_by(metric, sets)):
            raise ConfigError(
                f"evaluation.{key}.metric: no row has the value in {metric}; did you mean '{meant}'? "
                f"Write 'evaluation.{key}.metric=\"{meant}\"'."
            )
    return HeldOutEvaluation(trainer, sets, scorer, settings, sampling, recorder) if sets else None


def seen_in_training(sets: list[EvaluationSet], train: Any) -> list[str]:
    """Say where prompts of an evaluation's data set are trained on, so that its numbers are no evidence.

    The run's own held-out rows are kept out of training already.
    """
    others = [one for one in sets if one.name != HELD_OUT]
    if not others or not isinstance(train, Dataset):
        return []
    trained = set(prompt_keys(train))
    notes = []
    for one in others:
        if seen := sum(prompt_key(row["prompt"]) in trained for row in one.rows):
            notes.append(
                f"{seen} of the {len(one.rows)} prompts of the evaluation's data set {one.name} are trained on: its "
                "numbers will say what was memorised"
            )
    return notes


class Evaluating(TrainerCallback):
    """Evaluates every `evaluation.every` steps, and acts on what comes of it.

    Args:
        trainer: the trainer, which asks this for what its checkpoints have to remember.
        evaluation: what is run.
        recorder: told of phases.
    """

    def __init__(self, trainer: RunTrainer, evaluation: HeldOutEvaluation, recorder: Recorder) -> None:
        self.trainer = trainer
        self.evaluation = evaluation
        self.recorder = recorder
        self.selection = Selection.of(evaluation.settings)
        self.stopped: str | None = None
        trainer.evaluating = self

    def baseline(self) -> None:
        """Evaluate the model before training; it is what has to be beaten, and no checkpoint of its own."""
        self.recorder.phase("evaluating")
        metrics = self.evaluation.run(step=0)
        if stopping := self.selection.stopping:
            stopping.see(0, self._value(stopping.metric, metrics))
        self.recorder.phase("training")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Evaluate when it is time; the last step is evaluated after training."""
        step = state.global_step
        if not due(self.evaluation.settings["every"], step, state.max_steps):
            return
        self.recorder.phase("evaluating")
        metrics = self.evaluation.run(step)
        self.recorder.phase("training")
        if self._is_best(step, metrics):
            if not control.should_save and not self._is_regular(args, step) and self.selection.best:
                self.selection.best.saved_for_it.append(step)
            control.should_save = True
        stopping = self.selection.stopping
        if stopping and stopping.see(step, self._value(stopping.metric, metrics)):
            self.stopped = stopping.reason
            control.should_training_stop = True

    def finish(self, step: int) -> None:
        """After training: evaluate the last model unless that is done, and put the best one in its place.

        Args:
            step: optimizer steps done.
        """
        if not self.evaluation.last or self.evaluation.last[0] != step:
            self.recorder.phase("evaluating")
            metrics = self.evaluation.run(step)
            if self._is_best(step, metrics) and not self.trainer.checkpoint_at(step).exists():
                self.recorder.phase("saving")
                self.trainer._save_checkpoint(self.trainer.model, trial=None)
        best = self.selection.best
        if best is None or not best.kept:
            return
        self.trainer.rotate()
        if best.steps[0] != step:
            self.trainer.state.best_model_checkpoint = str(self.trainer.checkpoint_at(best.steps[0]))
            self.trainer._load_best_model()

    @property
    def best(self) -> dict[str, Any] | None:
        """Which model `model/` holds, for `result.json`; None where it is the last, unasked."""
        best = self.selection.best
        if best is None or not best.kept:
            return None
        return {"step": best.kept[0][0], "metric": best.metric, "value": best.kept[0][1]}

    def save(self, checkpoint: Path) -> None:
        """Write what a checkpoint has to remember into it."""
        write_json(checkpoint / SELECTION_STATE, self.selection.state())

    def load(self, checkpoint: Path) -> None:
        """Go on from a checkpoint."""
        self.selection.load_state(read_json(checkpoint / SELECTION_STATE))

    def _is_best(self, step: int, metrics: dict[str, Any]) -> bool:
        best = self.selection.best
        return best is not None and best.see(step, self._value(best.metric, metrics))

    def _value(self, metric: str, metrics: dict[str, Any]) -> float | None:
        """A metric of this evaluation, or of training as last logged."""
        if not metric.startswith(TRAIN_PREFIX):
            return metrics.get(metric)
        logged = [r for r in read(self.recorder.folder.metrics) if r.get("kind") == "train"]
        value = logged[-1].get(metric.removeprefix(TRAIN_PREFIX)) if logged else None
        return float(value) if value is not None else None

    @staticmethod
    def _is_regular(args: TrainingArguments, step: int) -> bool:
        """Whether training saves a checkpoint at this step anyway."""
        return args.save_strategy == "steps" and bool(args.save_steps) and step % int(args.save_steps) == 0
