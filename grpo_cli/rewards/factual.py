"""Factual accuracy: whether the reference entails what the completion says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.prose import prose_of_batch, references_of_batch, sentences
from grpo_cli.rewards.text_model import TextModel


class Factual:
    """The probability, by a model of natural language inference (NLI), that the reference entails the completion.

    The reference is the premise, the completion the hypothesis. Entailment asks that what is said is
    supported, not that all is said: one true short sentence scores high. Use `rouge` or
    `semantic_similarity` beside it for coverage.

    Args:
        model: a folder or hub id of an NLI classifier.
        by: `completion`: the whole of it is one hypothesis. `sentence_min`: each sentence is one, and the
            least supported counts, so one false sentence is enough. `sentence_mean`: their mean.
        contradiction_penalty: the probability of contradiction times this is subtracted; the reward then lies
            between minus this and 1, and nothing said (0.0) is better than the contrary.
        entailment: the entailment label, by name or index; None finds the one called so.
        contradiction: the same for contradiction.
        revision: the model's branch, tag or commit on the hub.
        batch_size: pairs per forward pass.
        max_length: most tokens of a pair; the longer of the two loses its end.
        dtype: number type of the weights; `auto` is float32 on a CPU, else what the checkpoint has.
        device: where it runs; None for the CPU.
        trust_remote_code: whether code that comes with the model may run.

    Raises:
        ConfigError: the model cannot be loaded, its head is untrained, or it has no such labels.

    Example:
        reward=[factual] reward.factual.model=MoritzLaurer/deberta-v3-base-zeroshot-v2.0 dataset.columns.reference=text
    """

    def __init__(
        self,
        model: str,
        *,
        by: Literal["completion", "sentence_min", "sentence_mean"] = "sentence_min",
        contradiction_penalty: float = 0.0,
        entailment: str | int | None = None,
        contradiction: str | int | None = None,
        revision: str | None = None,
        batch_size: int = 16,
        max_length: int | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        device: Any = None,
        trust_remote_code: bool = False,
    ) -> None:
        if by not in ("completion", "sentence_min", "sentence_mean"):
            raise ConfigError(f"by must be completion, sentence_min or sentence_mean, not {by!r}")
        if not contradiction_penalty >= 0:
            raise ConfigError(f"contradiction_penalty must be 0 or more, not {contradiction_penalty}")
        self.by, self.penalty = by, contradiction_penalty
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
        self.entailment = self._label("entailment", entailment)
        self.contradiction = self._label("contradiction", contradiction) if contradiction_penalty else None

    def _label(self, kind: str, wanted: str | int | None) -> int:
        try:
            return self.scorer.label(kind if wanted is None else wanted)
        except ConfigError as error:
            advice = f"write {kind}: <name or index> for the label that means {kind}"
            raise ConfigError(*error.problems, advice) from error

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
        premises = references_of_batch(reference, len(texts))
        hypotheses = [([text] if self.by == "completion" else sentences(text)) if text else [] for text in texts]
        pairs = [
            (premise, hypothesis)
            for row, said in zip(premises, hypotheses, strict=True)
            for premise in row
            for hypothesis in said
        ]
        unique = list(dict.fromkeys(pairs))
        values = self.scorer.probabilities([self.scorer.tokenize(*pair) for pair in unique])
        scores = {pair: self._score(value) for pair, value in zip(unique, values, strict=True)}
        rewards: list[float | None] = []
        for row, said in zip(premises, hypotheses, strict=True):
            if not row:
                rewards.append(None)
            elif not said:
                rewards.append(0.0)
            else:
                rewards.append(max(self._combine([scores[premise, one] for one in said]) for premise in row))
        return rewards

    def _score(self, probabilities: list[float]) -> float:
        contradicted = 0.0 if self.contradiction is None else probabilities[self.contradiction]
        return probabilities[self.entailment] - self.penalty * contradicted

    def _combine(self, scores: list[float]) -> float:
        return sum(scores) / len(scores) if self.by == "sentence_mean" else min(scores)
