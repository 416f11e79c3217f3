"""A reward model: a sequence classifier with one label, whose number is the reward.

torch and transformers are imported when one is built, never with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.prose import valid
from grpo_cli.rewards.text import completion_text, content_text
from grpo_cli.rewards.text_model import TextModel


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
        self.scorer = TextModel(
            "AutoModelForSequenceClassification",
            model,
            revision=revision,
            dtype=dtype,
            device=device,
            trust_remote_code=trust_remote_code,
            batch_size=batch_size,
            max_length=max_length,
        )
        self.model, self.tokenizer, self.max_length = self.scorer.model, self.scorer.tokenizer, self.scorer.max_length
        if (labels := self.model.config.num_labels) != 1:
            raise ConfigError(
                f"reward model {model} has {labels} labels; a reward model has one (num_labels: 1 in its config.json)"
            )

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """One reward per completion, in TRL's signature."""
        rows = [{"input_ids": self._token_ids(*row)} for row in zip(prompts, completions, strict=True)]
        return self.scorer.run(rows, lambda batch, chosen: self.model(**batch).logits[:, 0].float().tolist())

    def _token_ids(self, prompt: Any, completion: Any) -> list[int]:
        text, templated = self.render(prompt, completion)
        # A template writes the special tokens itself.
        ids = self.tokenizer(valid(text), add_special_tokens=not templated)["input_ids"]
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
