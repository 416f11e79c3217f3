"""A reward model: a sequence classifier with one label, whose number is the reward.

torch and transformers are imported when one is built, never with this module.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.text import completion_text, content_text

_NO_LIMIT = 1_000_000  # tokenizers write "no limit" as an absurdly large model_max_length


class RewardModel:
    """Scores prompt and completion together with a sequence classifier.

    Conversations go through the reward model's own chat template where it has one; plain text is prompt
    and completion in one string. Padding is on the right; what is too long loses its beginning, since the
    completion and the last token, at which a decoder is scored, stand at the end.

    Args:
        model: a folder or hub id of a model with one label.
        revision: its branch, tag or commit on the hub.
        batch_size: completions per forward pass.
        max_length: most tokens of prompt and completion together; None for as many as the model takes.
        dtype: number type of the weights; `auto` is float32 on a CPU, else what the checkpoint has.
        device: where it runs; None for the CPU.
        trust_remote_code: whether code that comes with the model may run.

    Raises:
        ConfigError: there is no such model, it has not exactly one label, or its head is untrained.

    Example:
        reward=[reward_model] reward.reward_model.model=Skywork/Skywork-Reward-V2-Qwen3-0.6B
    """

    def __init__(
        self,
        model: str,
        *,
        revision: str | None = None,
        batch_size: int = 16,
        max_length: int | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: Any = None,
        trust_remote_code: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"reward model {model}: batch_size must be 1 or more, not {batch_size}")
        self.name, self.batch_size = model, batch_size
        device = str(device or "cpu")
        if dtype == "auto" and device.startswith("cpu"):
            dtype = "float32"
        self.model, self.tokenizer = _load(model, revision, dtype, device, trust_remote_code)
        limits = [
            max_length,
            self.tokenizer.model_max_length,
            getattr(self.model.config.get_text_config(), "max_position_embeddings", None),
        ]
        known = [int(limit) for limit in limits if limit and limit < _NO_LIMIT]
        self.max_length = min(known) if known else None

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """One reward per completion, in TRL's signature."""
        import torch

        rows = [self._token_ids(*row) for row in zip(prompts, completions, strict=True)]
        rewards = [0.0] * len(rows)
        # Neighbours in length share a batch, so little of it is padding.
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            batch = self.tokenizer.pad(
                {"input_ids": [rows[index] for index in chosen]}, padding_side="right", return_tensors="pt"
            ).to(self.model.device)
            with torch.inference_mode():
                scores = self.model(**batch).logits[:, 0].float().tolist()
            for index, score in zip(chosen, scores, strict=True):
                rewards[index] = score
        return rewards

    def _token_ids(self, prompt: Any, completion: Any) -> list[int]:
        text, templated = self.render(prompt, completion)
        # A template writes the special tokens itself.
        ids = self.tokenizer(text, add_special_tokens=not templated)["input_ids"]
        return (ids[-self.max_length :] if self.max_length else ids) or [self.tokenizer.pad_token_id]

    def render(self, prompt: Any, completion: Any) -> tuple[str, bool]:
        """The text that is scored, and whether it came out of the reward model's chat template."""
        if isinstance(prompt, str):
            return prompt + completion_text(completion), False
        messages = list(prompt)
        if isinstance(completion, str):
            messages.append({"role": "assistant", "content": completion})
        else:
            messages.extend(completion)
        if self.tokenizer.chat_template:
            return self.tokenizer.apply_chat_template(messages, tokenize=False), True
        return "\n".join(content_text(message.get("content")) for message in messages), False


@functools.cache
def _load(name: str, revision: str | None, dtype: str, device: str, trust_remote_code: bool) -> tuple[Any, Any]:
    """Model and tokenizer; two rewards that name the same model share it."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    source = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        config = AutoConfig.from_pretrained(name, **source)
        if config.num_labels != 1:
            raise ConfigError(
                f"reward model {name} has {config.num_labels} labels; a reward model has one (num_labels: 1 "
                "in its config.json)"
            )
        tokenizer = AutoTokenizer.from_pretrained(name, **source)
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            name, config=config, dtype=dtype, output_loading_info=True, **source
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"reward model {name} cannot be loaded ({reason}); write the path of a folder with a "
            "sequence classifier, or its hub id"
        ) from error
    if missing := sorted(loading["missing_keys"]):
        # transformers fills these with random numbers and only warns: a reward of pure noise.
        raise ConfigError(
            f"reward model {name} lacks trained weights for {', '.join(missing[:3])}: it is no reward model "
            "but a base model; name one that was trained to score"
        )
    _ensure_padding(name, model, tokenizer)
    # A decoder finds the token to score as the last one that is no padding.
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    return model.to(device).eval().requires_grad_(False), tokenizer


def _ensure_padding(name: str, model: Any, tokenizer: Any) -> None:
    """Pad with the end token where there is no pad token, or one that the model has no embedding for."""
    vocabulary = model.get_input_embeddings().num_embeddings
    for token in (tokenizer.pad_token, tokenizer.eos_token):
        if token is not None and tokenizer.convert_tokens_to_ids(token) < vocabulary:
            tokenizer.pad_token = token
            return
    raise ConfigError(f"reward model {name}: its tokenizer has neither a pad nor an end token the model knows")
