"""TRL's trainer, with rewards under guard, and with what it does not keep: completions, the state between generations.

Nothing about the algorithm is changed: the same settings give the same losses and weights as a bare
`GRPOTrainer`, bit for bit (tests/training/test_training_fidelity.py).
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from accelerate.utils import gather_object
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import GRPOTrainer

from grpo_cli.errors import RunError
from grpo_cli.rewards.combine import Combiner
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.runs.checkpoints import mark_complete, rotate, step_of
from grpo_cli.runs.completions import completion_records
from grpo_cli.runs.disk import saving
from grpo_cli.runs.recorder import Recorder
from grpo_cli.training.cpu_fsdp import let_fsdp_run_on_cpu
from grpo_cli.training.gathered import alone, unsharded
from grpo_cli.training.mismatch import MismatchWatch
from grpo_cli.training.weights import weights_kept

if TYPE_CHECKING:
    from grpo_cli.training.evaluating import Evaluating

# What a checkpoint of transformers lacks to go on exactly where it stopped; one file per rank.
ROLLOUT_STATE = "rollout_state_rank{rank}.pt"


class RunTrainer(GRPOTrainer):
    """A `GRPOTrainer` that records completions and whose checkpoints resume exactly.

    Args:
        recorder: where completions go.
        guard: what runs the rewards; its `rewards` are the trainer's reward functions.
        combiner: what clips, normalises and gates their values, and weighs them at each step.
        mismatch: what compares sampled with trained log-probabilities now and then.
        arguments: everything `GRPOTrainer` takes.
    """

    def __init__(
        self,
        *positional: Any,
        recorder: Recorder,
        guard: Guard,
        combiner: Combiner,
        mismatch: MismatchWatch,
        **arguments: Any,
    ) -> None:
        super().__init__(*positional, **arguments)
        self.args: Any  # a GRPOConfig, which the base class does not say
        self._logs: dict[str, Any]
        self.num_generations: int
        self.num_generations_eval: int
        self.recorder = recorder
        self.guard = guard
        self.combiner = combiner
        self.mismatch = mismatch
        self._given: dict[str, list[float]] = {}  # what the rewards gave to the batch at hand, before combining
        self.failures = 0  # rewards' failures on the batch at hand, on all ranks
        self.completion_tokens = 0
        self.last_completions: list[dict[str, Any]] = []
        self._pending_state: dict[str, Any] | None = None
        self.evaluating: Evaluating | None = None  # what chooses the best checkpoints

    def create_accelerator_and_postprocess(self) -> None:
        """Create accelerate's Accelerator, which shards CPU ranks too."""
        let_fsdp_run_on_cpu()
        super().create_accelerator_and_postprocess()

    def _generate_single_turn(self, *positional: Any, **arguments: Any) -> Any:
        """Generate as TRL does, under FSDP2 with weights gathered once and not anew for every token of every layer.

        Where this batch's log-probabilities are to be compared, the generation is listened to.
        """
        policy = self.accelerator.unwrap_model(self.model_wrapped)
        batching = self.use_transformers_continuous_batching and not self.use_vllm
        with (
            unsharded(policy),
            alone(policy) if self.is_fsdp_enabled and not self.use_vllm else nullcontext(),
            weights_kept(policy) if batching else nullcontext(),
            self.mismatch.listening(self) if self.mismatch.is_due(self) else nullcontext(),
        ):
            return super()._generate_single_turn(*positional, **arguments)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Generate as TRL does, then record the batch before TRL's buffer of logs drops it."""
        training = cast(Any, self.model).training
        output = super()._generate_and_score_completions(inputs)
        self.mismatch.measure(self, output)
        lengths = output["completion_mask"].sum(dim=1).tolist()
        ends = torch.isin(output["completion_ids"], torch.tensor(self.eos_token_ids, device=self.args.device))
        finished = (ends & output["completion_mask"].bool()).any(dim=1).tolist()
        local = [
            {"length": int(length), "truncated": not done, "columns": _plain_columns(row)}
            for length, done, row in zip(lengths, finished, inputs, strict=True)
        ]
        facts = gather_object(local)
        self._refuse_unscored(len(facts))
        self.completion_tokens += sum(fact["length"] for fact in facts) if training else 0
        if self.accelerator.is_main_process:
            self._record(facts, training)
        return output

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: list[Any], completions: list[Any], completion_ids_list: Any
    ) -> torch.Tensor:
        """Score as TRL does, all rewards at once: TRL's calls of one after the other only collect the scores."""
        kept = ("prompt", "completion", "completion_ids")
        columns: dict[str, Any] = {key: [row[key] for row in inputs] for key in inputs[0] if key not in kept}
        columns |= {
            "trainer_state": self.state,
            "log_extra": self._log_completion_extra,
            "log_metric": self._log_metric,
        }
        if self.environments is not None:
            columns["environments"] = self.environments
        self.guard.begin(prompts, completions, completion_ids_list, columns)
        scores = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._measure_rewards(scores)
        return self._combine(scores)

    def _combine(self, scores: torch.Tensor) -> torch.Tensor:
        """What GRPO sums, out of what the rewards gave; and the weights it is summed with at this step.

        Args:
            scores: [B, rewards] of all ranks, NaN where a reward gave None; so every rank does the same.
        """
        self._given = dict(zip(self.reward_func_names, scores.T.tolist(), strict=True))
        self.reward_weights = torch.tensor(self.combiner.weights(self.state.global_step), dtype=torch.float32)
        training = cast(Any, self.model).training
        return cast(torch.Tensor, self.combiner.apply(scores, names=self.reward_func_names, training=training))

    def _measure_rewards(self, scores: torch.Tensor) -> None:
        """Log of each reward, beside TRL's mean and std, what tells a broken one; over all ranks.

        Args:
            scores: [B, rewards] of all ranks, NaN where a reward gave None.
        """
        counts = self.guard.take_counts()
        local = [[c.completions, c.timeouts, c.errors, c.seconds] for c in counts.values()]
        sums = self.accelerator.reduce(torch.tensor(local, device=self.args.device), reduction="sum").tolist()
        self.failures = int(sum(timeouts + errors for _, timeouts, errors, _ in sums))
        metrics = self._metrics["train" if cast(Any, self.model).training else "eval"]
        for i, (name, (number, timeouts, errors, seconds)) in enumerate(zip(counts, sums, strict=True)):
            given = scores[:, i][~scores[:, i].isnan()]
            metrics[f"rewards/{name}/min"].append(given.min().item() if len(given) else math.nan)
            metrics[f"rewards/{name}/max"].append(given.max().item() if len(given) else math.nan)
            metrics[f"rewards/{name}/none"].append(1.0 - len(given) / len(scores))
            metrics[f"rewards/{name}/timeouts"].append(timeouts / number)
            metrics[f"rewards/{name}/errors"].append(errors / number)
            metrics[f"rewards/{name}/ms"].append(1e3 * seconds / number)
            if self.combiner.changes_values:  # TRL's mean is of the combined values then
                metrics[f"rewards/{name}/given"].append(given.mean().item() if len(given) else math.nan)

    def _refuse_unscored(self, count: int) -> None:
        """End the run, on all ranks alike, when no reward scored anything: TRL would go on and train nothing.

        What failed to score is left to the guard, which ends the run when that happens too often.
        """
        if self.failures:
            return
        scores = [score for values in self._logs["rewards"].values() for score in list(values)[-count:]]
        if all(math.isnan(score) for score in scores):
            names = ", ".join(self.reward_func_names)
            raise RunError(
                f"Step {self.state.global_step + 1}: no reward ({names}) scored any of the {count} completions (all "
                "returned None), so there is nothing to learn from; look at the completions in the run folder."
            )

    def _record(self, facts: list[dict[str, Any]], training: bool) -> None:
        """Write one generation batch, in TRL's order: groups of G completions of the same prompt."""
        group_size = self.num_generations if training else self.num_generations_eval
        count = len(facts)
        logs = self._logs
        rewards = {name: list(values)[-count:] for name, values in logs["rewards"].items()}
        records = completion_records(
            # The optimizer step these completions are for: the one after the last finished.
            step=self.state.global_step + 1 if training else self.state.global_step,
            prompts=list(logs["prompt"])[-count:],
            completions=list(logs["completion"])[-count:],
            rewards=self._given,
            combined=rewards if self.combiner.changes_values else None,
            weights=dict(zip(self.reward_func_names, self.reward_weights.tolist(), strict=True)),
            group_size=group_size,
            facts=facts,
            advantages=list(logs["advantages"])[-count:],
        )
        self.recorder.completions("train" if training else "trl_eval", records)
        if training:
            self.last_completions = records

    def _run_epoch(self, *positional: Any, **arguments: Any) -> None:
        """Train nothing where a resumed run has done all its steps: transformers would take one more."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        super()._run_epoch(*positional, **arguments)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save as transformers does, then what it leaves out, then the mark that all is there."""
        checkpoint = self.checkpoint_at(self.state.global_step, trial)
        # transformers removes the older checkpoints before this one is whole: a kill between would leave none.
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            with saving(checkpoint):
                super()._save_checkpoint(model, trial)
                state = checkpoint / ROLLOUT_STATE.format(rank=self.accelerator.process_index)
                torch.save(self._rollout_state(), state)
        finally:
            self.args.save_total_limit = limit
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            with saving(checkpoint):
                if self.evaluating:
                    self.evaluating.save(checkpoint)
                mark_complete(checkpoint, self.accelerator.num_processes, self.recorder.folder)
            self.recorder.event("checkpoint", step=self.state.global_step, path=str(checkpoint))
        # The mark holds the sizes of the records: a rank that went ahead would have its next failures counted in.
        self.accelerator.wait_for_everyone()
        self.rotate()

    def checkpoint_at(self, step: int, trial: Any = None) -> Path:
        """Where the checkpoint of a step lies."""
        return Path(self._get_output_dir(trial=trial)) / f"{PREFIX_CHECKPOINT_DIR}-{step}"

    def rotate(self) -> None:
        """Remove the checkpoints that need not be kept: the best ones stay, TRL's own best among them."""
        if not self.args.should_save:
            return
        best = self.evaluating.selection.best if self.evaluating else None
        kept = set(best.steps) if best else set()
        if self.state.best_model_checkpoint:
            kept.add(step_of(Path(self.state.best_model_checkpoint)))
        directory = self.checkpoint_at(self.state.global_step).parent
        rotate(directory, self.args.save_total_limit, kept=kept, passed=best.passed if best else ())

    def create_model_card(self, *positional: Any, **arguments: Any) -> None:
        """Write TRL's model card only for the hub: without a hub model it describes a fine-tuned "None"."""
        if self.args.push_to_hub:
            super().create_model_card(*positional, **arguments)

    def _rollout_state(self) -> dict[str, Any]:
        """What lies between two optimizer steps besides weights, optimizer and random state."""
        between_generations = self._step % (self.args.steps_per_generation * self.num_iterations) == 0
        return {
            "step": self._step,
            # At a generation's end the buffer is spent; the next step generates anew.
            "buffered_inputs": None if between_generations else self._buffered_inputs,
            "metrics": {key: list(values) for key, values in self._metrics["train"].items()},
            "loss": self._tr_loss.detach().cpu(),
            "last_logged": self._globalstep_last_logged,
            "completion_tokens": self.completion_tokens,
            "combiner": self.combiner.state(),
        }

    def load_rollout_state(self, checkpoint: Path) -> None:
        """Read a checkpoint's rollout state; `restore_rollout_state` applies it once the training loop is set up."""
        path = checkpoint / ROLLOUT_STATE.format(rank=self.accelerator.process_index)
        if path.exists():
            # Under gloo the device is "cpu:0", which torch.load does not know.
            device = "cpu" if self.args.device.type == "cpu" else self.args.device
            self._pending_state = torch.load(path, map_location=device, weights_only=True)

    def restore_rollout_state(self) -> None:
        """Apply what `load_rollout_state` read; called when training begins, after the loop reset its counters."""
        state, self._pending_state = self._pending_state, None
        if state is None:
            return
        self._step = state["step"]
        self._buffered_inputs = state["buffered_inputs"]
        for key, values in state["metrics"].items():
            self._metrics["train"][key] = list(values)
        self._tr_loss = state["loss"].to(self.args.device)
        self._globalstep_last_logged = state["last_logged"]
        self.completion_tokens = state["completion_tokens"]
        self.combiner.load_state(state["combiner"])


def _plain_columns(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of a data row that fit on a line: the prompt is recorded apart, images are not recorded."""
    plain = (str, int, float, bool, type(None))
    return {
        key: value
        for key, value in row.items()
        if key != "prompt" and (isinstance(value, plain) or (isinstance(value, list) and len(value) <= 32))
    }
