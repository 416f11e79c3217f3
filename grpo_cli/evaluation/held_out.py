"""Held-out evaluation in training: an answer to every held-out prompt, scored apart from the training reward.

TRL's own evaluation samples at the training temperature, in groups, and draws from the random state that training
uses. This one has its own sampling, leaves the random state as it found it (so evaluating changes nothing about
training), and gives the same numbers however many processes share the prompts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import broadcast_object_list, gather_object

from grpo_cli.evaluation.blocks import Sampling, into_blocks
from grpo_cli.evaluation.policy import engine_of
from grpo_cli.evaluation.scoring import Scorer
from grpo_cli.evaluation.sets import EvaluationSet
from grpo_cli.evaluation.summary import PromptTable, prompt_table, summarise
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.recorder import Recorder

if TYPE_CHECKING:
    from grpo_cli.training.trainer import RunTrainer


class HeldOutEvaluation:
    """Evaluates the policy of a trainer.

    Args:
        trainer: whose policy, tokenizer and processes are used.
        sets: what is evaluated.
        scorer: what scores it.
        settings: the `evaluation` section.
        sampling: how answers are drawn.
        recorder: where metrics and completions go.
    """

    def __init__(
        self,
        trainer: RunTrainer,
        sets: list[EvaluationSet],
        scorer: Scorer,
        settings: dict[str, Any],
        sampling: Sampling,
        recorder: Recorder,
    ) -> None:
        self.trainer = trainer
        self.sets = sets
        self.scorer = scorer
        self.settings = settings
        self.sampling = sampling
        self.recorder = recorder
        self.last: tuple[int, dict[str, Any]] | None = None
        self._baseline: dict[str, PromptTable] | None = None

    def run(self, step: int) -> dict[str, Any]:
        """Evaluate once and record it.

        Args:
            step: the number of optimizer steps the policy has had (0: the baseline).

        Returns:
            The metrics of `evaluation.metrics`, the same on every process, with `eval/<data set>/samples` and
            `/seconds`.
        """
        model: Any = self.trainer.model
        was_training = model.training
        model.eval()
        devices = [self.trainer.args.device] if self.trainer.args.device.type == "cuda" else []
        try:
            # Nothing here draws from torch's generators; what a reward or an engine draws is given back.
            with torch.random.fork_rng(devices):
                local, seconds = self._generate_and_score()
        finally:
            model.train(was_training)
        everything = gather_object(local)
        shared: list[Any] = [None]
        if self.trainer.accelerator.is_main_process:
            shared = [self._record(everything, step, seconds)]
        broadcast_object_list(shared)
        self.last = (step, shared[0])
        return shared[0]

    def _generate_and_score(self) -> tuple[list[tuple[int, dict[str, Any]]], dict[str, float]]:
        """This process's share: every world_size-th block. Gathering happens once, after all of them."""
        accelerator = self.trainer.accelerator
        results: list[tuple[int, dict[str, Any]]] = []
        seconds: dict[str, float] = {}
        number = 0
        with engine_of(self.trainer, self.sampling) as engine:
            for place, one in enumerate(self.sets):
                started = time.perf_counter()
                for block in into_blocks(one.requests, self.settings["batch_size"]):
                    if number % accelerator.num_processes == accelerator.process_index:
                        scored = self.scorer.score(one, block, engine.complete(block), self.trainer.state)
                        results += [(place, item) for item in scored]
                    number += 1
                seconds[one.name] = time.perf_counter() - started
        return results, seconds

    def _record(self, everything: list[tuple[int, Any]], step: int, seconds: dict[str, float]) -> dict[str, Any]:
        """On the main process: the records, the metrics with their intervals, and the difference to the baseline."""
        metrics: dict[str, Any] = {}
        tables: dict[str, PromptTable] = {}
        baseline = self._before() if step else None
        for place, one in enumerate(self.sets):
            items = [item for at, item in everything if at == place]
            records = self.scorer.records(items, step, self.sampling.samples)
            self.recorder.completions("eval", records)
            tables[one.name] = prompt_table(records, self.scorer.measures)
            before = (baseline or {}).get(one.name)
            metrics |= summarise(tables[one.name], self.scorer.measures, one.name, before)
            metrics[f"eval/{one.name}/samples"] = len(records)
            metrics[f"eval/{one.name}/seconds"] = seconds[one.name]
        if step == 0:
            self._baseline = tables
        self.recorder.metrics("eval", step, metrics)
        return metrics

    def _before(self) -> dict[str, PromptTable]:
        """The evaluation before training, from the run's records where another process made it."""
        if self._baseline is None:
            first = [r for r in read(self.recorder.folder.completions("eval")) if r["step"] == 0]
            sets = {one.name: [r for r in first if r.get("dataset") == one.name] for one in self.sets}
            self._baseline = {name: prompt_table(rs, self.scorer.measures) for name, rs in sets.items() if rs}
        return self._baseline
