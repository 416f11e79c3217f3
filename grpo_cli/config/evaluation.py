"""What is inside `evaluation`: data sets with the keys of `dataset`, rewards with those of `reward`, and sampling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from grpo_cli.config.fields import Field
from grpo_cli.config.suggest import did_you_mean, meant_or_known
from grpo_cli.config.targets import check_target
from grpo_cli.config.values import problem
from grpo_cli.rewards.check import check_rewards

_NAME = re.compile(r"[\w.-]+")
_RESERVED = "held_out"


def as_entry(entry: Any) -> dict[str, Any]:
    """An entry of `evaluation.datasets` as the keys of `dataset`: a path may stand for all of them."""
    return {"path": entry} if isinstance(entry, str) else dict(entry or {})


def check_evaluation(evaluation: Mapping[str, Any], dataset_keys: Mapping[str, Field]) -> list[str]:
    """Find what is wrong inside the `evaluation` section, beyond the types of its own keys.

    Args:
        evaluation: the section as plain containers.
        dataset_keys: the keys of `dataset`.

    Returns:
        One sentence per problem.
    """
    found = []
    datasets, rewards = evaluation.get("datasets"), evaluation.get("reward")
    for name, entry in datasets.items() if isinstance(datasets, dict) else ():
        found += _check_dataset(str(name), entry, dataset_keys)
    if isinstance(rewards, dict) and rewards:
        found += [re.sub(r"(?<![\w.])reward\.", "evaluation.reward.", said) for said in check_rewards(rewards)]
    return found + _check_sampling(evaluation)


def _check_dataset(name: str, entry: Any, keys: Mapping[str, Field]) -> list[str]:
    at = f"evaluation.datasets.{name}"
    if name == _RESERVED:
        return [f"{at}: this name is taken by the run's own held-out rows; give the data set another."]
    if not _NAME.fullmatch(name):
        return [f"{at}: a data set's name stands in its metrics, so it has letters, digits, _, - and . only."]
    if not isinstance(entry, str | dict) or not entry:
        return [f"{at} must be a path or hold the keys of a data set, such as {at}.path=rows.jsonl, not {entry!r}."]
    found = []
    for key, value in as_entry(entry).items():
        if key == "mixture" and value:
            found.append(f"{at}.mixture: name each of its data sets in evaluation.datasets instead; metrics are apart.")
        elif key not in keys:
            found.append(f"{at}.{key}: no such key{meant_or_known(str(key), keys)}")
        elif wrong := problem(keys[key], value, f"{at}.{key}"):
            found.append(wrong)
    return found


def no_tag_column(tag: str, columns: Iterable[str]) -> str:
    """Say that no data set has a column of `evaluation.tags`."""
    known = sorted(set(columns))
    meant = did_you_mean(tag, known)
    return f"evaluation.tags: no data set has a column '{tag}'{meant or '.'} Columns: {', '.join(known) or 'none'}."


def _check_sampling(evaluation: Mapping[str, Any]) -> list[str]:
    found = []
    every, samples, k = (evaluation.get(name) for name in ("every", "samples", "k"))
    if isinstance(every, float) and every > 1 and every != int(every):
        found.append(f"evaluation.every must be a whole number of steps, or a share of training below 1, not {every}.")
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        return found
    temperature = evaluation.get("temperature")
    if samples > 1 and temperature == 0:
        found.append(
            f"evaluation.samples={samples} at evaluation.temperature=0 would give {samples} times the same answer; "
            "write evaluation.temperature=1."
        )
    if isinstance(k, str) and k != "auto":
        found.append(f"evaluation.k must be auto or a list of whole numbers such as [1,{samples}], not {k}.")
    for one in k if isinstance(k, list) else ():
        if isinstance(one, int) and not 1 <= one <= samples:
            found.append(f"evaluation.k: k must be 1 to evaluation.samples={samples}, not {one}.")
    if isinstance(answer := evaluation.get("answer"), str) and (said := check_target(answer)):
        found.append(f"evaluation.answer: {said}")
    return found
