"""Models used as rewards: loaded once per process, run in batches, without gradients.

torch and transformers are imported when one is built, never with this module.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.prose import valid

Head = Literal["AutoModel", "AutoModelForCausalLM", "AutoModelForSequenceClassification"]

_NO_LIMIT = 1_000_000  # tokenizers write "no limit" as an absurdly large model_max_length


class TextModel:
    """A model with its tokenizer, ready to be run over many texts.

    Args:
        head: the transformers class that loads it.
        name: a folder or hub id.
        revision: its branch, tag or commit on the hub.
        dtype: number type of the weights; `auto` is float32 on a CPU, else what the checkpoint has.
        device: where it runs; None for the CPU.
        trust_remote_code: whether code that comes with the model may run.
        batch_size: texts per forward pass.
        max_length: most tokens of a text; None for as many as the model takes.

    Raises:
        ConfigError: there is no such model, or weights of its head are missing, so that it would score noise.
    """

    def __init__(
        self,
        head: Head,
        name: str,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: Any = None,
        trust_remote_code: bool = False,
        batch_size: int = 16,
        max_length: int | None = None,
    ) -> None:
        for key, value in (("batch_size", batch_size), ("max_length", max_length)):
            if value is not None and value < 1:
                raise ConfigError(f"model {name}: {key} must be 1 or more, not {value}")
        device = str(device or "cpu")
        if dtype == "auto" and device.startswith("cpu"):
            dtype = "float32"
        self.name, self.batch_size = name, batch_size
        self.model, self.tokenizer = load(head, name, revision, dtype, device, trust_remote_code)
        limits = [max_length, self.tokenizer.model_max_length, _positions(self.model)]
        known = [int(limit) for limit in limits if limit and limit < _NO_LIMIT]
        self.max_length = min(known) if known else None

    def tokenize(self, text: str, pair: str | None = None) -> dict[str, list[int]]:
        """A text, or two side by side, as the model reads it; too long, it loses its end (of the longer one)."""
        # Nothing left of a text (a tokenizer may drop all of it) is one pad token.
        return self._tokenize(text, pair) or {"input_ids": [self.tokenizer.pad_token_id], "attention_mask": [1]}

    def _tokenize(self, text: str, pair: str | None) -> dict[str, list[int]] | None:
        given = (valid(text),) if pair is None else (valid(text), valid(pair))
        # "longest_first" takes token by token from the longer of the two.
        cut = "longest_first" if self.max_length else False
        row = dict(self.tokenizer(*given, truncation=cut, max_length=self.max_length))
        return row if row["input_ids"] else None

    def run(
        self, rows: Sequence[Mapping[str, list[int]]], score: Callable[[Any, list[int]], Sequence[Any]]
    ) -> list[Any]:
        """Score rows in batches of like length, so that little of a batch is padding.

        Args:
            rows: one mapping with `input_ids` (and what else the tokenizer gave) per text; none empty.
            score: from the padded batch (tensors of shape [batch, longest], padding on the right) and the
                rows' places to one value for each.

        Returns:
            The values, in the order of `rows`.
        """
        import torch

        values: list[Any] = [None] * len(rows)
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]["input_ids"]))
        for start in range(0, len(order), self.batch_size):
            chosen = order[start : start + self.batch_size]
            batch = self.tokenizer.pad(
                {key: [rows[index][key] for index in chosen] for key in rows[chosen[0]]},
                padding_side="right",
                return_tensors="pt",
            ).to(self.model.device)
            with torch.inference_mode():
                scored = score(batch, chosen)
            for index, value in zip(chosen, scored, strict=True):
                values[index] = value
        return values

    def probabilities(self, rows: Sequence[Mapping[str, list[int]]], *, sigmoid: bool = False) -> list[list[float]]:
        """Each row's probability of every label of a classifier: softmax, or a sigmoid for each label."""

        def classify(batch: Any, chosen: list[int]) -> list[list[float]]:
            logits = self.model(**batch).logits.float()
            return (logits.sigmoid() if sigmoid else logits.softmax(-1)).tolist()

        return self.run(rows, classify)

    def label(self, wanted: str | int) -> int:
        """The index of a classifier's label, by name (case aside) or index.

        Raises:
            ConfigError: it has no such label; the message lists those it has.
        """
        labels = {int(index): str(label) for index, label in self.model.config.id2label.items()}
        by_name = {label.casefold(): index for index, label in labels.items()}
        if isinstance(wanted, str) and wanted.casefold() in by_name:
            return by_name[wanted.casefold()]
        if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted in labels:
            return wanted
        known = ", ".join(f"{label} ({index})" for index, label in labels.items())
        raise ConfigError(f"model {self.name} has no label {wanted!r}; name one of its own: {known}")


@functools.cache
def load(head: Head, name: str, revision: str | None, dtype: str, device: str, trust_remote_code: bool) -> Any:
    """Model and tokenizer; two rewards that name the same model share it."""
    import transformers

    source = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **source)
        model, loading = getattr(transformers, head).from_pretrained(
            name, dtype=dtype, output_loading_info=True, **source
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(
            f"model {name} cannot be loaded ({reason}); write the path of a folder with a model of this kind, or its "
            "hub id"
        ) from error
    # A pooler that the checkpoint lacks is not read by anything here.
    missing = sorted(key for key in loading["missing_keys"] if head != "AutoModel" or "pooler" not in key)
    if missing:
        # transformers fills these with random numbers and only warns: a reward of pure noise.
        raise ConfigError(
            f"model {name} lacks trained weights for {', '.join(missing[:3])}: it is a base model without the "
            "head that this reward reads; name one that was trained for it"
        )
    if head == "AutoModel" and model.config.is_encoder_decoder:
        model = model.get_encoder()
    _ensure_padding(name, model, tokenizer)
    tokenizer.truncation_side = "right"
    # A decoder finds the token to score as the last one that is no padding.
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    return model.to(device).eval().requires_grad_(False), tokenizer


def _positions(model: Any) -> int | None:
    """How many tokens the model has positions for."""
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    for name, module in model.named_modules():
        # RoBERTa and its kin count positions from behind the padding index: 514 of them hold 512 tokens.
        if positions and name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return positions - module.padding_idx - 1
    return positions


def _ensure_padding(name: str, model: Any, tokenizer: Any) -> None:
    """Pad with the end token where there is no pad token, or one that the model has no embedding for."""
    vocabulary = model.get_input_embeddings().num_embeddings
    for token in (tokenizer.pad_token, tokenizer.eos_token):
        if token is not None and tokenizer.convert_tokens_to_ids(token) < vocabulary:
            tokenizer.pad_token = token
            return
    raise ConfigError(f"model {name}: its tokenizer has neither a pad nor an end token that the model knows")
