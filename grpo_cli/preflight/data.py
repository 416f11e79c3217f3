"""The data part of grpo-check: the tokenizer and the rows are loaded, the model is not.

What it measures is what the run will do: the same loader, the same template, the same rewards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from grpo_cli.errors import GrpoTrainError
from grpo_cli.preflight.arithmetic import arithmetic
from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding, from_sentence
from grpo_cli.preflight.gold import gold_findings, score_gold
from grpo_cli.preflight.overlap import Pair, duplicates, leaks, question_text
from grpo_cli.preflight.report import Report, forecast_into
from grpo_cli.preflight.situation import Situation

_MOST = 20_000  # rows looked at; of more, a sample
# Options of rewards that load a model or call a service, which is left to the run.
_CALLS_OUT = ("model", "url", "base_url")
_PERCENTILES = {"min": 0, "median": 50, "p95": 95, "p99": 99, "max": 100}


def add_data_part(report: Report, situation: Situation) -> None:
    """Load tokenizer and data, measure, and put what was found into a report.

    Args:
        report: of the light part; gets `data`, further findings, and a forecast with the real prompt lengths.
        situation: the configuration on its machine.
    """
    from grpo_cli.data.load import load_data
    from grpo_cli.training.model import load_tokenizer

    config = situation.config
    try:
        tokenizer = load_tokenizer(config["model"])
        data = load_data(config["dataset"], tokenizer=tokenizer, seed=config["seed"])
    except GrpoTrainError as error:
        known = {finding.sentence for finding in report.findings}
        news = [sentence for sentence in str(error).splitlines() if sentence not in known]
        report.add([from_sentence("data.load", sentence) for sentence in news])
        return
    from datasets import Dataset

    streamed = not isinstance(data.train, Dataset)
    train = list(data.train.take(_MOST)) if streamed else _sample(data.train, config["seed"])
    test = data.test.to_list() if data.test is not None else []
    prompts, held_out = [row["prompt"] for row in train], [row["prompt"] for row in test]
    lengths = _lengths([*prompts, *held_out], tokenizer, situation)
    rows = None if streamed else len(data.train)
    report.data = {
        "train_rows": rows,
        "test_rows": len(test),
        "columns": data.info["columns"],
        "prompt_tokens": {name: int(np.percentile(lengths, q)) for name, q in _PERCENTILES.items()},
        "notes": list(data.info["notes"]),
        "example": render(prompts[0], tokenizer, situation.value("chat_template_kwargs")),
    }
    found = [
        *(Finding("data.note", NOTE, "dataset", str(note).rstrip(".")) for note in data.info["notes"]),
        *_too_few(situation, rows),
        *_long_prompts(situation, lengths, tokenizer, report.data),
        *_opens_think(situation, tokenizer, report.data),
        *_repeated(prompts, report.data),
        *_leaking(prompts, held_out, config["dataset"], report.data),
        *_rewards(situation, train, test, tokenizer, data.info["columns"], report.data),
    ]
    report.add(found)
    report.arithmetic = arithmetic(situation, rows) or report.arithmetic
    forecast_into(report, situation, int(lengths.max()))


def render(prompt: Any, tokenizer: Any, template_kwargs: dict[str, Any] | None = None) -> str:
    """A prompt as the model reads it.

    Args:
        prompt: text, or messages.
        tokenizer: with a chat template where the prompt is messages.
        template_kwargs: `training.chat_template_kwargs`.
    """
    if isinstance(prompt, str):
        return prompt
    return tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True, **(template_kwargs or {}))


def _sample(rows: Any, seed: int) -> list[dict[str, Any]]:
    if len(rows) > _MOST:
        rows = rows.select(np.sort(np.random.default_rng(seed).permutation(len(rows))[:_MOST]))
    return rows.to_list()


def _lengths(prompts: list[Any], tokenizer: Any, situation: Situation) -> np.ndarray:
    """Tokens of each prompt, rendered with the template's arguments of the run; shape (len(prompts),)."""
    kwargs = situation.value("chat_template_kwargs")
    texts = [render(prompt, tokenizer, kwargs) for prompt in prompts]
    # TRL tokenizes a rendered template without adding special tokens of its own.
    plain = isinstance(prompts[0], str)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    counts: list[int] = []
    for start in range(0, len(texts), 1000):
        batch = texts[start : start + 1000]
        if backend is not None:  # only counted: no offsets, masks and lists of them
            counts += [len(row) for row in backend.encode_batch_fast(batch, add_special_tokens=plain)]
        else:
            ids = tokenizer(text=batch, add_special_tokens=plain, verbose=False)["input_ids"]
            counts += [len(row) for row in ids]
    return np.asarray(counts, dtype=np.int64)


def _too_few(situation: Situation, rows: int | None) -> Iterator[Finding]:
    """Fewer rows than a generation batch takes, where the light part could not count them."""
    if rows is None or situation.rows is not None or not situation.sizes_valid:
        return
    from grpo_cli.preflight.rows import Rows
    from grpo_cli.preflight.rules.data_size import zero_steps

    situation.__dict__["rows"] = Rows(rows, 0)  # in place of the light part's count, which is None
    yield from zero_steps(situation)


def _long_prompts(
    situation: Situation, lengths: np.ndarray, tokenizer: Any, measured: dict[str, Any]
) -> Iterator[Finding]:
    from grpo_cli.data.lengths import context_of

    shape = situation.architecture
    limits = [limit for limit in (context_of(tokenizer), shape.context if shape else None) if limit]
    completion = situation.value("max_completion_length")
    measured["context"] = min(limits, default=None)
    if not limits or not completion:
        return
    context, longest = min(limits), int(lengths.max())
    over = int((lengths + completion > context).sum())
    measured["over_context"] = over
    if not over:
        return
    fixes = []
    if context > completion:
        fixes.append(f"dataset.max_prompt_tokens={context - completion}")
    if context > longest:
        fixes.append(f"training.max_completion_length={context - longest}")
    yield Finding(
        "data.context",
        ERROR if int(lengths.min()) + completion > context else WARNING,
        "training.max_completion_length",
        f"{over} of {len(lengths)} prompts leave less than training.max_completion_length={completion} tokens of the "
        f"model's context of {context} (the longest prompt has {longest})",
        "TRL does not cut prompts. A completion that runs past the context crashes the run or is gibberish from there.",
        tuple(fixes),
    )


def _opens_think(situation: Situation, tokenizer: Any, measured: dict[str, Any]) -> Iterator[Finding]:
    from grpo_cli.rewards.text import prompt_opens_think

    opens = prompt_opens_think(tokenizer, situation.value("chat_template_kwargs"))
    measured["opens_think"] = opens
    if not opens:
        return
    own = [n for n, e in situation.config["reward"].items() if not str(e.get("target")).startswith("grpo_cli.rewards.")]
    yield Finding(
        "data.opens_think",
        WARNING if own else NOTE,
        "model.chat_template",
        "the chat template opens <think> in the prompt, so completions begin inside the reasoning"
        + (f" and hold no <think> of their own, which {', '.join(own)} must know" if own else ""),
        "A reward that looks for <think>…</think> in the completion gives 0 to every one (trl issue 6966). The "
        "built-in rewards know; a function of your own can take the argument prompt_opens_think.",
        ("training.chat_template_kwargs.enable_thinking=false",) if _knows_switch(tokenizer) else (),
    )


def _knows_switch(tokenizer: Any) -> bool:
    return "enable_thinking" in str(tokenizer.chat_template)


def _repeated(prompts: list[Any], measured: dict[str, Any]) -> Iterator[Finding]:
    texts = [str(prompt) for prompt in prompts]
    number = duplicates(texts)
    measured["duplicates"] = number
    if number:
        yield Finding(
            "data.duplicates",
            WARNING if number > 0.05 * len(texts) else NOTE,
            "dataset",
            f"{number} of {len(texts)} training prompts repeat an earlier one",
            "They weigh as much more as they are repeated.",
        )


def _leaking(
    prompts: list[Any], held_out: list[Any], dataset: dict[str, Any], measured: dict[str, Any]
) -> Iterator[Finding]:
    train, test = [question_text(p) for p in prompts], [question_text(p) for p in held_out]
    pairs = leaks(train, test)
    measured["leaks"] = {kind: sum(p.kind == kind for p in pairs) for kind in ("exact", "normalised", "near")}
    said: dict[str, Callable[[Pair], str]] = {
        "exact": lambda pair: f"such as {train[pair.train][:80]!r}",
        "normalised": lambda pair: f"{train[pair.train][:60]!r} and {test[pair.test][:60]!r}",
        "near": lambda pair: f"{train[pair.train][:60]!r} and {test[pair.test][:60]!r} ({pair.similarity:.0%} alike)",
    }
    names = {"exact": "are held out too", "normalised": "are held out but for case and punctuation"}
    for kind, show in said.items():
        some = [pair for pair in pairs if pair.kind == kind]
        if some:
            drops = kind == "exact" and dataset.get("overlap") == "keep"
            yield Finding(
                f"data.leak_{kind}",
                WARNING,
                "dataset.overlap",
                f"{len(some)} of {len(train)} training prompts {names.get(kind, 'are nearly held-out ones')}: "
                f"{show(some[0])}",
                "Held-out accuracy then measures memory. dataset.overlap=drop removes exact repetitions only.",
                ("dataset.overlap=drop",) if drops else (),
            )


def _rewards(
    situation: Situation,
    train: list[dict[str, Any]],
    test: list[dict[str, Any]],
    tokenizer: Any,
    columns: list[str],
    measured: dict[str, Any],
) -> Iterator[Finding]:
    """Columns the rewards lack, and answers they cannot read; models and services are left to the run."""
    from grpo_cli.rewards.build import RewardContext, build_rewards
    from grpo_cli.rewards.text import prompt_opens_think

    config = situation.config
    context = RewardContext(
        tokenizer=tokenizer,
        device="cpu",
        # The gold answers are scored by themselves, without the reasoning that a template may have opened.
        prompt_opens_think=prompt_opens_think(None),
        columns=columns,
        seed=config["seed"],
    )
    measured["gold"] = {}
    for name, entry in config["reward"].items():
        if any(entry.get(key) for key in _CALLS_OUT):
            continue
        try:
            (reward,) = build_rewards({name: entry}, context=context)
        except GrpoTrainError as error:
            for sentence in str(error).splitlines():
                yield from_sentence("data.reward", sentence, why="The reward could not score a single completion.")
            continue
        if not entry.get("correctness"):
            continue
        try:
            gold = score_gold(reward, [*train, *test], config["seed"])
        except GrpoTrainError as error:
            yield Finding("data.gold_failed", WARNING, f"reward.{name}", str(error).splitlines()[0].rstrip("."))
            continue
        if gold:
            measured["gold"][name] = {"tried": gold.tried, "wrong": gold.number}
            yield from gold_findings(gold, [row.get(gold.column) for row in train])
