"""Sampled against trained log-probabilities: how far the engine that generates is from the forward pass that trains.

GRPO treats completions as drawn from the policy whose log-probabilities the loss computes. They are not quite: the
engine computes token by token with a cache, in another precision or with other kernels, and filters (top_p, top_k,
min_p, repetition_penalty) draw from another distribution altogether. With vLLM TRL measures the difference and logs
it as `sampling/…`; here the same is measured for `model.generate`, under the same names, on a few rows of a batch
now and then. One forward hook listens to the logits that generation computes anyway: nothing it does is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from trl.models.utils import disable_gradient_checkpointing

from grpo_cli.rollout import causes
from grpo_cli.runs.recorder import Recorder

ROWS = 8  # completions of a batch that are compared: tens of thousands of tokens of a run, at no cost worth naming
DIFFERENCE, RATIO = "sampling/sampling_logp_difference", "sampling/importance_sampling_ratio"


@dataclass(frozen=True)
class Mismatch:
    """What was measured on one rank's rows; log-probabilities in nats, sums over the compared tokens.

    Attributes:
        tokens: how many were compared.
        difference: sum of |trained − sampled|.
        largest: the largest of them.
        filtered: sum of |sampled with filters − sampled without|: what the filters alone make of it.
        ratio: sum of trained / sampled probability.
        ratio_low: the smallest ratio.
        ratio_high: the largest ratio.
    """

    tokens: int
    difference: float
    largest: float
    filtered: float
    ratio: float
    ratio_low: float
    ratio_high: float

    def metrics(self) -> dict[str, float]:
        """The measurements under TRL's names."""
        return {
            f"{DIFFERENCE}/mean": self.difference / self.tokens,
            f"{DIFFERENCE}/max": self.largest,
            f"{RATIO}/min": self.ratio_low,
            f"{RATIO}/mean": self.ratio / self.tokens,
            f"{RATIO}/max": self.ratio_high,
        }


class SampledLogProbs:
    """Listens while a model generates, and keeps the log-probability of each token that was drawn.

    Args:
        training: TRL's arguments: temperature, filters.
        rows: how many rows of the batch to listen to.
    """

    def __init__(self, training: Any, rows: int = ROWS) -> None:
        self.rows = rows
        self.tokens: list[torch.Tensor] = []  # [rows] each, in the order they were drawn
        self.drawn: list[torch.Tensor] = []  # log-probability under the distribution that was sampled from
        self.plain: list[torch.Tensor] = []  # the same without filters
        self._temperature = training.temperature
        self._filters = filters_of(training)
        self._ids: torch.Tensor | None = None  # [rows, so far], which a repetition penalty looks at
        self._logits: torch.Tensor | None = None  # [rows, V], of the token that is drawn next

    @contextmanager
    def listening(self, model: torch.nn.Module) -> Iterator[SampledLogProbs]:
        """Listen to a model's forward passes, those of the first generation only.

        Args:
            model: the policy; of one with an adapter, the model below it is what generates.
        """
        inner: Any = model
        if hasattr(inner, "get_base_model"):
            inner = inner.get_base_model()
        handle = inner.register_forward_hook(self._hear, with_kwargs=True)
        try:
            yield self
        finally:
            handle.remove()

    def _hear(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        ids = kwargs.get("input_ids", args[0] if args else None)
        if ids is None or ids.dim() != 2:
            return
        ids = ids[: self.rows].detach()
        if self._logits is None or self._ids is None:
            self._ids = ids
        elif ids.shape == (len(self._ids), 1):
            self._keep(ids[:, 0])
            self._ids = torch.cat([self._ids, ids], dim=1)
        else:
            return  # another generation's prompt
        self._logits = output.logits[: self.rows, -1].detach().float().clone()

    def _keep(self, token: torch.Tensor) -> None:
        """Note the log-probability of the tokens that were drawn from the last logits."""
        assert self._logits is not None and self._ids is not None
        ids: Any = self._ids
        plain = TemperatureLogitsWarper(float(self._temperature))(ids, self._logits)
        drawn = self._filters(ids, self._logits)
        self.tokens.append(token)
        for kept, scores in ((self.plain, plain), (self.drawn, drawn)):
            kept.append(torch.log_softmax(scores, dim=-1).gather(1, token[:, None])[:, 0])

    def compare(self, trained: torch.Tensor, completion_ids: torch.Tensor, mask: torch.Tensor) -> Mismatch | None:
        """Compare with what the training forward pass gives the same tokens.

        Args:
            trained: [rows, T] log-probabilities, the temperature applied.
            completion_ids: [rows, T].
            mask: [rows, T], 1 where a token counts.

        Returns:
            The measurement; None where nothing could be compared.
        """
        length = completion_ids.shape[1]
        if self._logits is not None and len(self.tokens) < length:
            # No forward pass follows the last token, so it is taken from the completions themselves.
            self._keep(completion_ids[: len(self._logits), len(self.tokens)])
        count = min(len(self.tokens), length)
        if not count:
            return None
        tokens, drawn, plain = (torch.stack(kept[:count], dim=1) for kept in (self.tokens, self.drawn, self.plain))
        rows = len(tokens)
        # Where a row has ended, generation goes on with padding; and an engine may have heard another prompt first.
        same = (tokens == completion_ids[:rows, :count]) & mask[:rows, :count].bool() & drawn.isfinite()
        if not same.any():
            return None
        difference = (trained[:rows, :count].float() - drawn)[same]
        ratio = difference.exp()
        return Mismatch(
            tokens=int(same.sum()),
            difference=difference.abs().sum().item(),
            largest=difference.abs().max().item(),
            filtered=(drawn - plain)[same].abs().sum().item(),
            ratio=ratio.sum().item(),
            ratio_low=ratio.min().item(),
            ratio_high=ratio.max().item(),
        )


def filters_of(training: Any) -> LogitsProcessorList:
    """What `model.generate` makes of logits before it draws, in its order.

    Args:
        training: TRL's arguments.
    """
    found = LogitsProcessorList()
    if training.repetition_penalty != 1.0:
        found.append(RepetitionPenaltyLogitsProcessor(float(training.repetition_penalty)))
    found.append(TemperatureLogitsWarper(float(training.temperature)))
    if training.top_k:
        found.append(TopKLogitsWarper(int(training.top_k)))
    if training.top_p is not None and training.top_p < 1.0:
        found.append(TopPLogitsWarper(float(training.top_p)))
    if training.min_p:
        found.append(MinPLogitsWarper(float(training.min_p)))
    return found


def over_ranks(local: Mismatch | None, accelerator: Any) -> Mismatch | None:
    """Put the ranks' measurements together.

    Args:
        local: this rank's; None where it could compare nothing.
        accelerator: of the trainer.
    """
    low = local or Mismatch(0, 0.0, 0.0, 0.0, 0.0, float("inf"), float("-inf"))
    values = [low.tokens, low.difference, low.filtered, low.ratio, low.largest, low.ratio_low, low.ratio_high]
    table = torch.tensor([values], dtype=torch.float64 if accelerator.device.type != "mps" else torch.float32)
    table = accelerator.gather(table.to(accelerator.device))
    tokens, difference, filtered, ratio = table[:, :4].sum(dim=0).tolist()
    if not tokens:
        return None
    highest, lowest = table.max(dim=0).values.tolist(), table.min(dim=0).values.tolist()
    return Mismatch(int(tokens), difference, highest[4], filtered, ratio, lowest[5], highest[6])


class MismatchWatch:
    """Measures the mismatch now and then, and warns when it is too large.

    Args:
        config: the configuration, every `auto` settled.
        recorder: gets the warning.
    """

    def __init__(self, config: dict[str, Any], recorder: Recorder) -> None:
        self._config = config
        self._recorder = recorder
        self._every: int | None = config["rollout"]["mismatch_every"]
        self._tolerance: float = config["rollout"]["mismatch_tolerance"]
        self._heard: SampledLogProbs | None = None
        self._filtered: float | None = None  # nats a token that the filters make, of the last measurement
        self._warned = 0.0

    def is_due(self, trainer: Any) -> bool:
        """Whether the batch that is generated next is to be measured: decided by the step, so a resumed run agrees."""
        arguments = trainer.args
        engine = trainer.use_vllm or trainer.use_transformers_continuous_batching  # TRL measures vLLM itself
        if not self._every or engine or not trainer.model.training:
            return False
        generation = arguments.steps_per_generation * trainer.num_iterations
        return trainer.state.global_step % self._every < max(1, generation // arguments.gradient_accumulation_steps)

    @contextmanager
    def listening(self, trainer: Any) -> Iterator[None]:
        """Listen to the generation of one batch."""
        if self._heard is not None:  # of several turns the first
            yield
            return
        self._heard = SampledLogProbs(trainer.args)
        with self._heard.listening(trainer.accelerator.unwrap_model(trainer.model)):
            yield

    def measure(self, trainer: Any, batch: dict[str, Any]) -> None:
        """Compare what was heard with the training forward pass, and add the result to TRL's metrics.

        Args:
            trainer: TRL's.
            batch: what it has generated and scored.
        """
        heard, self._heard = self._heard, None
        if heard is None or "pixel_values" in batch:
            return
        rows = min(heard.rows, len(batch["completion_ids"]))
        ids, mask = batch["completion_ids"][:rows], batch["completion_mask"][:rows]
        prompt = torch.cat([batch["prompt_ids"][:rows], ids], dim=1)
        attention = torch.cat([batch["prompt_mask"][:rows], mask], dim=1)
        devices = [trainer.args.device] if trainer.args.device.type == "cuda" else []
        # The same draws afterwards, whether or not dropout drew here: measuring must not change the run.
        with torch.no_grad(), torch.random.fork_rng(devices), disable_gradient_checkpointing(
            trainer.model, trainer.args.gradient_checkpointing_kwargs
        ):  # fmt: skip
            trained, _, _ = trainer._get_per_token_logps_and_entropies(trainer.model, prompt, attention, ids.shape[1])
        found = over_ranks(heard.compare(trained, ids, mask), trainer.accelerator)
        if found is None:
            return
        self._filtered = found.filtered / found.tokens
        for name, value in found.metrics().items():
            trainer._metrics["train"][name].append(value)

    def judge(self, trainer: Any, logs: dict[str, Any]) -> None:
        """Warn where what was measured here is too much: once, and again where it has tripled since.

        Of vLLM's mismatch, which TRL measures, the doctor tells (its rule `rollout_mismatch`).

        Args:
            trainer: TRL's.
            logs: its log.
        """
        mean = logs.get(f"{DIFFERENCE}/mean")
        if mean is None or self._filtered is None or not mean > max(self._tolerance, 3 * self._warned):
            return
        self._warned = mean
        attention = str(getattr(trainer.accelerator.unwrap_model(trainer.model).config, "_attn_implementation", ""))
        self._recorder.warning(
            causes.warning(mean, self._tolerance, filtered=self._filtered, config=self._config, attention=attention)
        )
