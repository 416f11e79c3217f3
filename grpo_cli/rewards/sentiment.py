"""Sentiment, or whatever else a text classifier tells of a completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.prose import prose_of_batch
from grpo_cli.rewards.text_model import TextModel


class Sentiment:
    """The probability that a text classifier gives to one label, for the completion alone.

    Any sequence classifier will do: sentiment, toxicity, formality, topic.

    Args:
        model: a folder or hub id of a sequence classifier.
        label: the label whose probability is the reward, by name (case aside) or index.
        activation: `softmax` where one label holds, `sigmoid` where each may hold on its own; `auto` takes
            `sigmoid` for a model of one label or with problem_type multi_label_classification.
        revision: the model's branch, tag or commit on the hub.
        batch_size: completions per forward pass.
        max_length: most tokens; a longer completion loses its end. None for as many as the model takes.
        dtype: number type of the weights; `auto` is float32 on a CPU, else what the checkpoint has.
        device: where it runs; None for the CPU.
        trust_remote_code: whether code that comes with the model may run.

    Raises:
        ConfigError: the model cannot be loaded, its head is untrained, it has no such label, or it is a
            regression model, whose number is no probability.

    Example:
        reward=[sentiment] reward.sentiment.model=distilbert/distilbert-base-uncased-finetuned-sst-2-english
    """

    def __init__(
        self,
        model: str,
        *,
        label: str | int = "positive",
        activation: Literal["auto", "softmax", "sigmoid"] = "auto",
        revision: str | None = None,
        batch_size: int = 16,
        max_length: int | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: Any = None,
        trust_remote_code: bool = False,
    ) -> None:
        if activation not in ("auto", "softmax", "sigmoid"):
            raise ConfigError(f"activation must be auto, softmax or sigmoid, not {activation!r}")
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
        self.label = self.scorer.label(label)
        config = self.scorer.model.config
        if config.problem_type == "regression":
            raise ConfigError(f"model {model} is a regression model; use the reward reward_model for its number")
        if activation == "softmax" and config.num_labels == 1:
            raise ConfigError(f"model {model} has one label, of which softmax is always 1; write activation: sigmoid")
        independent = config.num_labels == 1 or config.problem_type == "multi_label_classification"
        self.sigmoid = activation == "sigmoid" or (activation == "auto" and independent)

    def __call__(
        self, completions: Sequence[Any], prompt_opens_think: Sequence[bool] | None = None, **columns: Any
    ) -> list[float]:
        """One probability per completion; 0.0 for an empty one."""
        texts = prose_of_batch(completions, prompt_opens_think)
        filled = [index for index, text in enumerate(texts) if text]
        rewards = [0.0] * len(texts)
        rows = [self.scorer.tokenize(texts[index]) for index in filled]
        for index, values in zip(filled, self.scorer.probabilities(rows, sigmoid=self.sigmoid), strict=True):
            rewards[index] = values[self.label]
        return rewards
