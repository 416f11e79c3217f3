"""Completions of one block of requests, by transformers or by the run's vLLM."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import GenerationConfig, LogitsProcessorList

from grpo_cli.evaluation.blocks import Completion, Request, Sampling
from grpo_cli.evaluation.choosing import Chooser
from grpo_cli.evaluation.noise import request_seed


class Engine(Protocol):
    """What generates."""

    def complete(self, block: Sequence[Request]) -> list[Completion]:
        """One completion for each request, in their order."""
        ...


@dataclass
class TransformersEngine:
    """`model.generate`, with every token chosen by `Chooser`.

    Attributes:
        model: one that this process can call by itself.
        tokenizer: for padding and for the text.
        eos_ids: tokens that end a completion.
        sampling: how tokens are drawn.
        exact: whether the model computes in float32, so that near ties can be settled.
    """

    model: Any
    tokenizer: Any
    eos_ids: Sequence[int]
    sampling: Sampling
    exact: bool
    settled: int = 0

    def complete(self, block: Sequence[Request]) -> list[Completion]:
        """Generate for one block."""
        device = next(self.model.parameters()).device
        batch = self.tokenizer.pad({"input_ids": [r.ids for r in block]}, padding_side="left", return_tensors="pt")
        batch = batch.to(device)
        width = batch["input_ids"].shape[1]
        starts = [width - len(request.ids) for request in block]
        chooser = Chooser(
            torch.tensor([request.key for request in block], dtype=torch.int64, device=device),
            temperature=self.sampling.temperature,
            top_k=self.sampling.top_k,
            top_p=self.sampling.top_p,
            prompt_length=width,
            alone=(lambda row, ids: self._alone(ids[starts[row] :])) if self.exact else None,
            ended=self.eos_ids,
        )
        with torch.no_grad():
            sequences = self.model.generate(
                **batch,
                generation_config=self._config(),
                logits_processor=LogitsProcessorList([chooser]),
                synced_gpus=False,  # this process generates by itself; others may have no block left
            )
        self.settled += chooser.settled
        ids, truncated = cut(sequences[:, width:].tolist(), self.eos_ids)
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [Completion(t, i, len(i), c) for t, i, c in zip(texts, ids, truncated, strict=True)]

    def _alone(self, ids: torch.Tensor) -> torch.Tensor:
        """Next-token logits of one sequence, computed by itself: no padding, no cache, on one thread."""
        with one_thread():
            return self.model(input_ids=ids[None], use_cache=False, logits_to_keep=1).logits[0, -1].float()

    def _config(self) -> GenerationConfig:
        # Greedy over what the chooser leaves. What is not named here transformers would take from the model's own file.
        return GenerationConfig(
            max_new_tokens=self.sampling.max_completion_length,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=list(self.eos_ids),
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            disable_compile=True,
        )


@dataclass
class VllmEngine:
    """The vLLM that TRL's trainer generates with, each request with a seed of its own.

    vLLM batches as it likes, so its rounding is not ours to settle: the noise is the same each time, near ties are not
    (VLLM_BATCH_INVARIANT=1 makes vLLM itself independent of its batches, on the GPUs that it supports).

    Attributes:
        llm: the colocated `vllm.LLM`, its weights up to date.
        tokenizer: for the text.
        eos_ids: tokens that end a completion.
        sampling: how tokens are drawn.
    """

    llm: Any
    tokenizer: Any
    eos_ids: Sequence[int]
    sampling: Sampling

    def complete(self, block: Sequence[Request]) -> list[Completion]:
        """Generate for one block."""
        from vllm import SamplingParams

        parameters = [
            SamplingParams(
                n=1,
                temperature=self.sampling.temperature,
                top_p=self.sampling.top_p,
                top_k=self.sampling.top_k or -1,
                max_tokens=self.sampling.max_completion_length,
                seed=request_seed(request.key),
            )
            for request in block
        ]
        prompts = [{"prompt_token_ids": request.ids} for request in block]
        outputs = self.llm.generate(prompts, sampling_params=parameters, use_tqdm=False)
        ids, truncated = cut([list(output.outputs[0].token_ids) for output in outputs], self.eos_ids)
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [Completion(t, i, len(i), c) for t, i, c in zip(texts, ids, truncated, strict=True)]


def cut(sequences: list[list[int]], eos_ids: Sequence[int]) -> tuple[list[list[int]], list[bool]]:
    """End each completion after its first end-of-sequence token, and say which never reached one."""
    ends = set(eos_ids)
    ids, truncated = [], []
    for sequence in sequences:
        end = next((i for i, token in enumerate(sequence) if token in ends), None)
        ids.append(sequence if end is None else sequence[: end + 1])
        truncated.append(end is None)
    return ids, truncated


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: how many share a product decides how it is added up."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
