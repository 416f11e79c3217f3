"""Prompt lengths in tokens, as the trainer will see them: after the chat template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_BATCH = 1000
_MEASURE_ALL = 2_000
_MEASURE_LONGEST = 1_000
_NO_LIMIT = 10**8  # tokenizers without a known context say 1e30


def prompt_tokens(prompts: Sequence[Any], tokenizer: Any) -> np.ndarray:
    """Count the tokens of prompts.

    Args:
        prompts: texts, or lists of messages (all of one kind).
        tokenizer: with a chat template where the prompts are messages.

    Returns:
        One count per prompt, int64, shape (len(prompts),).
    """
    counts: list[int] = []
    for start in range(0, len(prompts), _BATCH):
        batch = list(prompts[start : start + _BATCH])
        chat = isinstance(batch[0], list)
        if chat:
            # TRL tokenizes the rendered template, which writes its own special tokens.
            batch = tokenizer.apply_chat_template(batch, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text=batch, add_special_tokens=not chat, verbose=False)["input_ids"]
        counts += [len(row) for row in ids]
    return np.asarray(counts, dtype=np.int64)


def longest_first(prompts: Sequence[Any]) -> list[int]:
    """Choose what to measure when no filter asks for all: every one of a small set, else the longest."""
    if len(prompts) <= _MEASURE_ALL:
        return list(range(len(prompts)))
    sizes = np.fromiter((_characters(p) for p in prompts), dtype=np.int64, count=len(prompts))
    return sorted(int(i) for i in np.argpartition(-sizes, _MEASURE_LONGEST)[:_MEASURE_LONGEST])


def context_of(tokenizer: Any) -> int | None:
    """The context length that a tokenizer states, in tokens, or None."""
    stated = getattr(tokenizer, "model_max_length", None)
    return int(stated) if stated and stated < _NO_LIMIT else None


def _characters(prompt: Any) -> int:
    return len(prompt) if isinstance(prompt, str) else sum(len(str(m.get("content", ""))) for m in prompt)
