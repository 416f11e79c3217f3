"""The procedural tasks of reasoning-gym: more than a hundred, made from a seed, each with its own verifier.

A row carries what the verifier needs (column `entry`, JSON), so the reward `reasoning_gym` can score it in
any process, without the data set that made it.

reasoning-gym makes problem number i of seed s from the number s + i. So train and test problems are
different numbers of one sequence, and the sequences of different seeds lie far apart.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from grpo_cli.config.suggest import meant_or_known
from grpo_cli.errors import ConfigError
from grpo_cli.rewards.extras import require

_STRIDE, _SEEDS = 1_000_003, 2**31


def reasoning_gym(
    task: str | list[str] | dict[str, float] = "leg_counting",
    size: int = 1024,
    num_test: int = 128,
    seed: int = 0,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, list[dict[str, str]]]:
    """Generate problems of one task or a mixture of tasks.

    Args:
        task: a task's name, a list of them (equally often), or names with weights, `{chain_sum: 2, gcd: 1}`.
        size: train problems, over all tasks.
        num_test: held-out problems, over all tasks.
        seed: same seed, same problems.
        options: settings of a task by its name, `{leg_counting: {max_animals: 5}}`.

    Returns:
        `{"train": rows, "test": rows}`, rows `{"question": …, "answer": …, "task": …, "entry": …}`. The
        answer is empty for tasks that have many right ones and give none.

    Raises:
        ConfigError: an unknown task, a setting it does not take, a count below 0, reasoning-gym not installed.
    """
    require("reasoning_gym", "reasoning-gym")
    weights = _weights(task)
    for name, count in (("size", size), ("num_test", num_test)):
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ConfigError(f"reasoning_gym: {name} is {count!r}; write a whole number of 0 or more")
    given = dict(options or {})
    for name in given:
        if name not in weights:
            raise ConfigError(f"reasoning_gym: options.{name} is for no chosen task{meant_or_known(name, weights)}")
    rows: dict[str, list[dict[str, str]]] = {"train": [], "test": []}
    start = int(seed) * _STRIDE % _SEEDS
    tests = _shares(num_test, weights)
    for name, count in _shares(size, weights).items():
        made = _rows(name, count + tests[name], start, dict(given.get(name) or {}))
        # The test problems come first, so that they stay the same as `size` grows.
        rows["test"] += made[: tests[name]]
        rows["train"] += made[tests[name] :]
    if len(weights) > 1:
        for split in rows.values():
            random.Random(start).shuffle(split)
    return rows


def verifier(task: str, options: Mapping[str, Any]) -> Any:
    """The object of reasoning-gym whose `score_answer(answer, entry)` judges answers to a task."""
    return _dataset(task, 1, 0, dict(options))


def pack_entry(task: str, options: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Write a problem as JSON that `unpack_entry` gives back as it was.

    JSON has neither tuples nor keys that are numbers, and several verifiers need them.

    Example:
        >>> packed = pack_entry("t", {}, {"answer": "1", "metadata": {"at": (1, 2), 3: [4]}})
        >>> unpack_entry(packed)
        ('t', {}, {'answer': '1', 'metadata': {'at': (1, 2), 3: [4]}})
    """
    return json.dumps({"task": task, "options": dict(options), "entry": _tagged(entry)})


def unpack_entry(packed: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Read what `pack_entry` wrote: the task, its settings, the problem.

    Raises:
        ValueError: the text was not written by it.
    """
    try:
        read = json.loads(packed)
        return read["task"], read["options"], _untagged(read["entry"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"the column entry holds no problem of reasoning-gym ({str(packed)[:60]!r}); use dataset=reasoning_gym"
        ) from error


def _rows(task: str, count: int, seed: int, options: dict[str, Any]) -> list[dict[str, str]]:
    if not count:
        return []
    made = _dataset(task, count, seed, options)
    return [
        {
            "question": entry["question"],
            "answer": "" if entry["answer"] is None else str(entry["answer"]),
            "task": task,
            "entry": pack_entry(task, options, entry),
        }
        for entry in (made[index] for index in range(count))
    ]


def _dataset(task: str, size: int, seed: int, options: dict[str, Any]) -> Any:
    import reasoning_gym as package

    try:
        return package.create_dataset(task, size=size, seed=seed, **options)
    except (TypeError, AssertionError, ValueError) as error:
        raise ConfigError(f"reasoning_gym: the task {task} does not take these options: {error}") from error


def _weights(task: Any) -> dict[str, float]:
    from reasoning_gym.factory import DATASETS

    if isinstance(task, str):
        weights = {task: 1.0}
    elif isinstance(task, Mapping):
        weights = {str(name): weight for name, weight in task.items()}
    else:
        weights = dict.fromkeys(map(str, task or ()), 1.0)
    if not weights:
        raise ConfigError("reasoning_gym: task names none; write dataset.task=leg_counting")
    for name, weight in weights.items():
        if name not in DATASETS:
            raise ConfigError(f"reasoning_gym has no task '{name}'{meant_or_known(name, sorted(DATASETS))}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
            raise ConfigError(f"reasoning_gym: the weight of {name} is {weight!r}; write a number above 0")
    return weights


def _shares(count: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Divide a count by weights, to the last one."""
    total, passed, given = sum(weights.values()), 0.0, 0
    shares = {}
    for name, weight in weights.items():
        passed += weight
        shares[name] = round(count * passed / total) - given
        given += shares[name]
    return shares


def _tagged(value: Any) -> Any:
    if isinstance(value, tuple):
        return {"__tuple__": [_tagged(part) for part in value]}
    if isinstance(value, list):
        return [_tagged(part) for part in value]
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("__") for key in value):
            return {key: _tagged(part) for key, part in value.items()}
        return {"__items__": [[_tagged(key), _tagged(part)] for key, part in value.items()]}
    # What else there is (dates, numbers of NumPy) is there to be read by people.
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "__tuple__" in value:
        return tuple(_untagged(part) for part in value["__tuple__"])
    if "__items__" in value:
        return {_untagged(key): _untagged(part) for key, part in value["__items__"]}
    return {key: _untagged(part) for key, part in value.items()}
