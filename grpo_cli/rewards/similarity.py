"""Semantic similarity: how near the completion's meaning is to the reference's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.prose import prose_of_batch, references_of_batch
from grpo_cli.rewards.text_model import TextModel


class SemanticSimilarity:
    """Cosine of the embeddings of completion and reference, rescaled to 0–1.

    The reward is (cosine - floor) / (1 - floor), cut to 0–1. Most embedding models give unrelated texts a
    cosine well above 0; setting `floor` there uses the whole range. Embeddings hardly notice a negation or a
    wrong number: use `factual` or an exact reward where that matters.

    Args:
        model: a folder or hub id of a sentence-embedding model (sentence-transformers or plain transformers).
        pooling: how token embeddings become one: `mean`, `cls` (the first token) or `last_token` (most
            decoders). The model's card says which one it was trained with.
        floor: the cosine that counts as 0; from -1 to below 1.
        prefix: written before completion and reference, where the model wants it ("query: " for E5).
        revision: the model's branch, tag or commit on the hub.
        batch_size: texts per forward pass.
        max_length: most tokens; a longer text loses its end. None for as many as the model takes.
        dtype: number type of the weights; `auto` is float32 on a CPU, else what the checkpoint has.
        device: where it runs; None for the CPU.
        trust_remote_code: whether code that comes with the model may run.

    Raises:
        ConfigError: the model cannot be loaded, or `floor` is out of range.

    Example:
        reward=[semantic_similarity] reward.semantic_similarity.model=sentence-transformers/all-MiniLM-L6-v2
    """

    def __init__(
        self,
        model: str,
        *,
        pooling: Literal["mean", "cls", "last_token"] = "mean",
        floor: float = 0.0,
        prefix: str = "",
        revision: str | None = None,
        batch_size: int = 32,
        max_length: int | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: Any = None,
        trust_remote_code: bool = False,
    ) -> None:
        if pooling not in ("mean", "cls", "last_token"):
            raise ConfigError(f"pooling must be mean, cls or last_token, not {pooling!r}")
        if not -1 <= floor < 1:
            raise ConfigError(f"floor must be a cosine from -1 to below 1, not {floor}")
        self.pooling, self.floor, self.prefix = pooling, floor, prefix
        self.scorer = TextModel(
            "AutoModel",
            model,
            revision=revision,
            dtype=dtype,
            device=device,
            trust_remote_code=trust_remote_code,
            batch_size=batch_size,
            max_length=max_length,
        )

    def __call__(
        self,
        completions: Sequence[Any],
        reference: Sequence[Any],
        prompt_opens_think: Sequence[bool] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """One reward per completion: its best over the row's references.

        0.0 for an empty completion; None where the row has no reference.
        """
        texts = prose_of_batch(completions, prompt_opens_think)
        references = references_of_batch(reference, len(texts))
        # A group shares its references: each text is embedded once.
        unique = list(dict.fromkeys(text for row in ([t for t in texts if t], *references) for text in row))
        vectors = dict(zip(unique, self.embed(unique), strict=True))
        rewards: list[float | None] = []
        for text, row in zip(texts, references, strict=True):
            if not row:
                rewards.append(None)
            elif not text:
                rewards.append(0.0)
            else:
                cosine = max(float(vectors[text] @ vectors[one]) for one in row)
                rewards.append(min(1.0, max(0.0, (cosine - self.floor) / (1 - self.floor))))
        return rewards

    def embed(self, texts: Sequence[str]) -> list[Any]:
        """One vector (float32, length 1, on the CPU) per text; none of the texts empty."""
        import torch
        import torch.nn.functional as F

        def pool(batch: Any, chosen: list[int]) -> Any:
            hidden = self.scorer.model(**batch).last_hidden_state.float()
            mask = batch["attention_mask"].unsqueeze(-1)
            if self.pooling == "mean":
                pooled = (hidden * mask).sum(1) / mask.sum(1)
            elif self.pooling == "cls":
                pooled = hidden[:, 0]
            else:
                last = batch["attention_mask"].sum(1) - 1
                pooled = hidden[torch.arange(len(hidden), device=hidden.device), last]
            return F.normalize(pooled, dim=-1).cpu()

        return self.scorer.run([self.scorer.tokenize(self.prefix + text) for text in texts], pool)
