"""What happens between steps: reporting, and stopping when asked; `evaluating.py` has the evaluations."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.recorder import Recorder

if TYPE_CHECKING:
    from grpo_cli.training.trainer import RunTrainer


class Reporting(TrainerCallback):
    """Tells the live display of every step and writes every log to `metrics.jsonl`."""

    def __init__(self, trainer: RunTrainer, recorder: Recorder) -> None:
        self.trainer = trainer
        self.recorder = recorder
        self.last_train: dict[str, Any] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """The loop has reset its counters: the moment to put a resumed run's state back."""
        self.trainer.restore_rollout_state()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """One optimizer step is done."""
        self.recorder.event(
            "step", step=state.global_step, max_steps=state.max_steps, tokens=self.trainer.completion_tokens
        )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """TRL logged: keep every number, under the name TRL gave it."""
        logs = dict(logs or {})
        if "train_runtime" in logs:
            if state.global_step > self.trainer._initial_global_step:  # else nothing was trained, and it divides by 0
                self.recorder.metrics("summary", state.global_step, logs)
        elif any(key.startswith("eval_") for key in logs):
            self.recorder.metrics("trl_eval", state.global_step, logs)
        else:
            self.last_train = logs
            self.recorder.metrics("train", state.global_step, logs)
            self.trainer.mismatch.judge(self.trainer, logs)
            self._sample()

    def _sample(self) -> None:
        """Show one completion of the last batch: the first, which the seed chose at random."""
        if not self.trainer.last_completions:
            return
        record = self.trainer.last_completions[0]
        shown = {key: record[key] for key in ("step", "reward", "rewards", "advantage")}
        self.recorder.event(
            "sample", prompt=last_text(record["prompt"]), completion=last_text(record["completion"]), **shown
        )


class Stopping(TrainerCallback):
    """Ends the run after a step, with a checkpoint, when a signal or `logs/stop` asks for it.

    Any rank may get the signal and ranks are not at the same instruction when it comes, so they agree on
    the step after which all of them stop. Rank 0 may ask for the end as well (`ask`), for a reason.

    Attributes:
        stopped_by: the signal that ended the run; 0 when none did.
        ended: the reason for which it was ended, the same on every rank; "" when for none.
    """

    def __init__(self, trainer: RunTrainer, folder: RunFolder) -> None:
        self.trainer = trainer
        self.folder = folder
        self.signal = 0
        self.stopped_by = 0
        self.asked = ""
        self.ended = ""

    def install(self) -> None:
        """Take over SIGTERM and SIGINT: from now on they ask for a clean stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: Any) -> None:
        """Remember the signal; the next step's end acts on it."""
        self.signal = number

    def ask(self, why: str) -> None:
        """Ask, on rank 0, that the run ends after the step it is in; `why` is one sentence for the user."""
        self.asked = self.asked or why

    def requested(self) -> int:
        """The signal number this rank knows of: its own, or that of the composer's stop file; 0 when none."""
        if not self.signal and self.trainer.accelerator.is_main_process and self.folder.stop_request.exists():
            text = self.folder.stop_request.read_text(encoding="utf-8")
            self.signal = signal.SIGINT if "SIGINT" in text else signal.SIGTERM
        return self.signal

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Agree with the other ranks, then save and stop."""
        wanted, asked = self.requested(), int(bool(self.asked))
        if self.trainer.accelerator.num_processes > 1:
            flags = torch.tensor([wanted, asked], device=args.device)
            torch.distributed.all_reduce(flags, op=torch.distributed.ReduceOp.MAX)
            wanted, asked = (int(flag) for flag in flags.tolist())
        if (wanted or asked) and state.global_step < state.max_steps:
            self.stopped_by = wanted
            if not wanted:
                self.ended = str(broadcast_object_list([self.asked])[0])
            control.should_save = True
            control.should_training_stop = True


def last_text(messages: Any) -> str:
    """The text of a prompt or completion: itself, or its last message's content."""
    if isinstance(messages, str):
        return messages
    content = messages[-1].get("content") if messages else ""
    return content if isinstance(content, str) else str(content)
