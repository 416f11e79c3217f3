"""Held-out evaluation: generate an answer to every held-out prompt and score it with the run's rewards.

TRL's own evaluation samples at the training temperature, in groups, and draws from the random state that
training uses. This one is greedy by default, leaves the random state as it found it (so evaluating changes
nothing about training), and shares the prompts among the ranks.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from transformers import GenerationConfig

from grpo_cli.evaluation.metrics import summarise
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.runs.completions import completion_records
from grpo_cli.runs.recorder import Recorder
from grpo_cli.training.gathered import policy_for_generation

if TYPE_CHECKING:
    from grpo_cli.training.trainer import RunTrainer


class HeldOutEvaluation:
    """Evaluates the policy of a trainer on held-out prompts.

    Args:
        trainer: whose policy, tokenizer and ranks are used.
        dataset: the held-out rows, with `prompt` and the columns the rewards need.
        guard: what runs the rewards that score the completions.
        settings: the `evaluation` section.
        recorder: where metrics and completions go.
    """

    def __init__(
        self,
        trainer: RunTrainer,
        dataset: Dataset,
        guard: Guard,
        settings: dict[str, Any],
        recorder: Recorder,
    ) -> None:
        self.trainer = trainer
        self.tokenizer: Any = trainer.processing_class
        self.dataset = dataset.select(chosen_rows(len(dataset), settings["limit"], settings["seed"]))
        self.guard, self.combiner = guard, trainer.combiner
        self.rewards = guard.rewards
        self.settings = settings
        self.recorder = recorder

    def run(self, step: int) -> dict[str, Any]:
        """Evaluate once and record it.

        Args:
            step: the number of optimizer steps the policy has had (0: the baseline).

        Returns:
            The metrics of `evaluation.metrics.metric_names`, with `eval/samples` and `eval/seconds`.
        """
        started = time.perf_counter()
        model: Any = self.trainer.model
        was_training = model.training
        model.eval()
        devices = [self.trainer.args.device] if self.trainer.args.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices):
                # A seed of its own makes a sampled evaluation repeat itself, whatever training drew before it.
                torch.manual_seed(self.settings["seed"] + self.trainer.accelerator.process_index)
                local = self._generate_and_score()
        finally:
            model.train(was_training)
            self.guard.take_counts()  # the training log is about training
        records = self._gather(local, step)
        metrics = summarise(records, [r.__name__ for r in self.rewards if r.correctness])
        metrics |= {"eval/samples": len(records), "eval/seconds": time.perf_counter() - started}
        self.recorder.completions("eval", records)
        self.recorder.metrics("eval", step, metrics)
        return metrics

    def _generate_and_score(self) -> list[dict[str, Any]]:
        """This rank's share of the prompts: every world_size-th, so that all ranks have about as many."""
        accelerator = self.trainer.accelerator
        rows = [{**self.dataset[i], "_index": i} for i in range(len(self.dataset))]
        rows = rows[accelerator.process_index :: accelerator.num_processes]
        results = []
        # The last batches of the ranks may be of different number; gathering happens once, after all of them.
        with policy_for_generation(self.trainer) as model, torch.no_grad():
            size = self.settings["batch_size"]
            for start in range(0, len(rows), size):
                results += self._score_batch(rows[start : start + size], model)
        return results

    def _score_batch(self, rows: list[dict[str, Any]], model: Any) -> list[dict[str, Any]]:
        """Generate for one batch of B rows and score it."""
        trainer = self.trainer
        prompts = [row["prompt"] for row in rows]
        prompt_ids, _, _ = trainer._tokenize_prompts(prompts)
        batch = self.tokenizer.pad({"input_ids": prompt_ids}, padding_side="left", return_tensors="pt")
        batch = batch.to(trainer.args.device)
        sequences = model.generate(**batch, generation_config=self._generation_config())
        completion_ids, truncated = self._cut(sequences[:, batch["input_ids"].shape[1] :].tolist())
        texts = self.tokenizer.batch_decode(completion_ids, skip_special_tokens=True)
        conversational = isinstance(prompts[0], list)
        completions = [[{"role": "assistant", "content": t}] for t in texts] if conversational else texts
        columns = {key: [row[key] for row in rows] for key in rows[0] if key not in ("prompt", "_index")}
        given = {**columns, "trainer_state": trainer.state}
        self.guard.begin(prompts, completions, completion_ids, given)
        scores = {r.__name__: r(prompts, completions, completion_ids, **given) for r in self.rewards}
        return [
            {
                "index": row["_index"],
                "prompt": prompts[i],
                "completion": completions[i],
                "scores": {name: values[i] for name, values in scores.items()},
                "fact": {
                    "length": len(completion_ids[i]),
                    "truncated": truncated[i],
                    "columns": {key: values[i] for key, values in columns.items()},
                },
            }
            for i, row in enumerate(rows)
        ]

    def _cut(self, sequences: list[list[int]]) -> tuple[list[list[int]], list[bool]]:
        """End each completion after its first end-of-sequence token, and say which never reached one."""
        ends = set(self.trainer.eos_token_ids)
        cut, truncated = [], []
        for ids in sequences:
            end = next((i for i, token in enumerate(ids) if token in ends), None)
            cut.append(ids if end is None else ids[: end + 1])
            truncated.append(end is None)
        return cut, truncated

    def _generation_config(self) -> GenerationConfig:
        """How the held-out answers are generated: greedy at temperature 0, else sampled."""
        temperature = self.settings["temperature"]
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        return GenerationConfig(
            max_new_tokens=self.settings["max_completion_length"] or self.trainer.max_completion_length,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.trainer.eos_token_ids,
            disable_compile=True,
            **sampling,
        )

    def _gather(self, local: list[dict[str, Any]], step: int) -> list[dict[str, Any]]:
        """All ranks' completions in the order of the data, as records."""
        everything = sorted(gather_object(local), key=lambda item: item["index"])
        names = [reward.__name__ for reward in self.rewards]
        given = [[item["scores"][name] for name in names] for item in everything]
        combined = self.combiner.apply(given, names=names, training=False)
        return completion_records(
            step=step,
            prompts=[item["prompt"] for item in everything],
            completions=[item["completion"] for item in everything],
            rewards={name: [row[i] for row in given] for i, name in enumerate(names)},
            combined={name: [row[i] for row in combined] for i, name in enumerate(names)}
            if self.combiner.changes_values
            else None,
            weights=dict(zip(names, self.combiner.weights(step), strict=True)),
            group_size=1,
            facts=[item["fact"] for item in everything],
        )


def chosen_rows(available: int, limit: int | None, seed: int) -> list[int]:
    """Indices of the rows that are evaluated: all, or a sample that depends on nothing but the seed."""
    if limit is None or limit >= available:
        return list(range(available))
    return sorted(random.Random(seed).sample(range(available), limit))
