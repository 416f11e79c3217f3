"""ROUGE: how much of a reference summary's wording a completion has."""

from __future__ import annotations

import functools
from typing import Any, Literal

from grpo_cli.rewards.extras import require
from grpo_cli.rewards.prose import prose, references_of, sentences, units

_VARIANTS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_MEASURES = {"f": "fmeasure", "precision": "precision", "recall": "recall"}
# The longest common subsequence takes time and memory in the product of both lengths.
_LONGEST = 50_000


def rouge(
    completion: str,
    reference: Any,
    *,
    variant: Literal["rouge1", "rouge2", "rougeL", "rougeLsum"] = "rougeL",
    measure: Literal["f", "precision", "recall"] = "f",
    tokens: Literal["ascii", "words", "characters"] = "ascii",
    stemmer: bool = False,
    prompt_opens_think: bool = False,
) -> float | None:
    """ROUGE of the completion against its reference summary (Lin 2004, aclanthology.org/W04-1013).

    The numbers are those of the package rouge-score, which reproduces the original Perl script.

    Args:
        completion: the text of one completion; what stands in `<answer>` counts, or all after the reasoning.
            Only its first 50,000 characters are read.
        reference: the summary to match; a list of them where several will do: the best counts.
        variant: shared words (`rouge1`), word pairs (`rouge2`), longest common subsequence of the whole text
            (`rougeL`) or of its sentences (`rougeLsum`).
        measure: `f` is the harmonic mean of `precision` (the share of the completion that the reference has)
            and `recall` (the share of the reference that the completion has). `recall` alone pays for
            writing more and more, `precision` alone for writing less and less.
        tokens: `ascii` is rouge-score's own: runs of a–z and 0–9, all else is dropped, so only for English.
            `words` takes the letters of any script, `characters` is for languages without blanks.
        stemmer: whether English endings are cut first (walks = walking); for `ascii`.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        0.0 to 1.0; 0.0 for an empty completion, None without a reference.

    Raises:
        ValueError: an unknown option, or a stemmer for what is not `ascii`.
        ConfigError: the package rouge-score is missing.

    Example:
        >>> rouge("The cat sat.", "the cat sat down", variant="rouge1", measure="recall")
        0.75
        >>> rouge("The cat sat.", ["a dog", "The cat sat!"]), rouge("", "the cat"), rouge("the cat", None)
        (1.0, 0.0, None)
    """
    for name, value, known in (
        ("variant", variant, _VARIANTS),
        ("measure", measure, tuple(_MEASURES)),
        ("tokens", tokens, ("ascii", "words", "characters")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    if stemmer and tokens != "ascii":
        raise ValueError("stemmer knows English endings only: write tokens: ascii with it")
    require("rouge_score", "text")
    references = references_of(reference)
    if not references:
        return None
    text = prose(completion, prompt_opens_think)[:_LONGEST]
    if not text:
        return 0.0
    scorer = _scorer(variant, tokens, stemmer)
    if variant == "rougeLsum":  # which reads a sentence a line
        text, *references = ("\n".join(sentences(one)) for one in (text, *references))
    return max(float(getattr(scorer.score(one, text)[variant], _MEASURES[measure])) for one in references)


def preload() -> None:
    """Import what the first call would; it takes a good part of a second."""
    import rouge_score.rouge_scorer  # noqa: F401


class _Units:
    """A tokenizer as rouge-score wants it."""

    def __init__(self, unit: str) -> None:
        self.unit = unit

    def tokenize(self, text: str) -> list[str]:
        return units(text, self.unit)


@functools.cache
def _scorer(variant: str, tokens: str, stemmer: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([variant], use_stemmer=stemmer, tokenizer=None if tokens == "ascii" else _Units(tokens))
