"""Fluency: how expected the completion is to a causal language model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.prose import prose_of_batch, valid
from grpo_cli.rewards.text import content_text
from grpo_cli.rewards.text_model import TextModel


class Fluency:
    """Perplexity of the completion under a causal language model, mapped to 0–1.

    With L = log perplexity (mean negative log-likelihood per token, in nats, of that model's own tokens)
    the reward is exp(-max(0, L - floor) / scale): 1 up to `floor`, 1/e at `floor + scale`, falling towards 0.

    Text that repeats itself is easy to predict and so has a low perplexity. The floor takes away the gain of
    going ever lower, not the danger: use the reward `repetition` beside it.

    Args:
        model: a folder or hub id of a causal language model.
        conditioned: whether the prompt stands in front; the completion must then follow from it.
        floor: log perplexity below which the reward is 1 (2.0 is a perplexity of 7.4).
        scale: how far above it the reward has fallen to 1/e; above 0.
        revision: the model's branch, tag or commit on the hub.
        batch_size: completions per forward pass.
        max_length: most tokens; a longer completion is read from its beginning, a longer prompt to its end.
        dtype: number type of the weights; `auto` is float32 on a CPU, else what the checkpoint has.
        device: where it runs; None for the CPU.
        trust_remote_code: whether code that comes with the model may run.

    Raises:
        ConfigError: the model cannot be loaded, or sees what follows a token (BERT and its kin).

    Example:
        reward=[fluency,repetition] reward.fluency.model=Qwen/Qwen3-0.6B-Base
    """

    def __init__(
        self,
        model: str,
        *,
        conditioned: bool = False,
        floor: float = 2.0,
        scale: float = 2.0,
        revision: str | None = None,
        batch_size: int = 8,
        max_length: int | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: Any = None,
        trust_remote_code: bool = False,
    ) -> None:
        if not scale > 0:
            raise ConfigError(f"scale must be above 0, not {scale}")
        if max_length is not None and max_length < 2:
            raise ConfigError(f"max_length must be 2 or more (a start and one token to score), not {max_length}")
        self.conditioned, self.floor, self.scale = conditioned, floor, scale
        self.scorer = TextModel(
            "AutoModelForCausalLM",
            model,
            revision=revision,
            dtype=dtype,
            device=device,
            trust_remote_code=trust_remote_code,
            batch_size=batch_size,
            max_length=max_length,
        )
        _refuse_bidirectional(self.scorer)

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        prompt_opens_think: Sequence[bool] | None = None,
        **columns: Any,
    ) -> list[float]:
        """One reward per completion; 0.0 for an empty one."""
        texts = prose_of_batch(completions, prompt_opens_think)
        filled = [index for index, text in enumerate(texts) if text]
        rewards = [0.0] * len(texts)
        losses = self.log_perplexity([prompts[index] for index in filled], [texts[index] for index in filled])
        for index, loss in zip(filled, losses, strict=True):
            rewards[index] = math.exp(-max(0.0, loss - self.floor) / self.scale)
        return rewards

    def log_perplexity(self, prompts: Sequence[Any], texts: Sequence[str]) -> list[float]:
        """Mean negative log-likelihood per token of each text, in nats.

        Args:
            prompts: what the texts answer; read only where the reward is `conditioned`.
            texts: what is scored; none empty.
        """
        import torch.nn.functional as F

        rows, lengths = [], []
        for prompt, text in zip(prompts, texts, strict=True):
            ids = self.scorer.tokenizer(text, add_special_tokens=False)["input_ids"]
            context = self._context(prompt)
            if limit := self.scorer.max_length:
                # One token of context is always there: the first scored token needs something to follow.
                ids = ids[: limit - 1]
                context = context[-(limit - len(ids)) :]
            rows.append({"input_ids": context + ids})
            lengths.append((len(context), len(ids)))

        def losses(batch: Any, chosen: list[int]) -> list[float]:
            logits = self.scorer.model(**batch).logits
            found = []
            for place, index in enumerate(chosen):
                begin, count = lengths[index]
                if not count:  # a tokenizer may drop all of a text
                    found.append(math.inf)
                    continue
                # Row by row: in float32 at once, a batch's logits over a large vocabulary would not fit.
                predicted = logits[place, begin - 1 : begin + count - 1].float()
                found.append(F.cross_entropy(predicted, batch["input_ids"][place, begin : begin + count]).item())
            return found

        return self.scorer.run(rows, losses)

    def _context(self, prompt: Any) -> list[int]:
        tokenizer = self.scorer.tokenizer
        start = [tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.pad_token_id]
        if not self.conditioned:
            return start
        if not isinstance(prompt, str) and tokenizer.chat_template:
            text = tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True)
            # The template writes the special tokens itself.
            return tokenizer(valid(text), add_special_tokens=False)["input_ids"] or start
        if not isinstance(prompt, str):
            prompt = "".join(content_text(message.get("content")) + "\n" for message in prompt)
        return start + tokenizer(valid(prompt), add_special_tokens=False)["input_ids"]


def _refuse_bidirectional(scorer: TextModel) -> None:
    """A model that sees the next token finds everything likely: transformers loads one and only logs a warning."""
    import torch

    vocabulary = scorer.model.get_input_embeddings().num_embeddings
    first, second = 1 % vocabulary, 2 % vocabulary
    ids = torch.tensor([[first, first], [first, second]], device=scorer.model.device)
    with torch.inference_mode():
        seen = scorer.model(input_ids=ids).logits[:, 0].float()
    if (seen[0] - seen[1]).abs().max() > 0.05 * seen.std():
        raise ConfigError(
            f"model {scorer.name} sees the token after the one it predicts, so its perplexity means nothing; name a "
            "causal language model (GPT-2, Qwen, Llama, …)"
        )
