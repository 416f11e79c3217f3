"""Is this value one that this key can hold, in kind, choice and size, and if not, what was probably meant?"""

from __future__ import annotations

import re
from typing import Any

from grpo_cli.config.fields import Field, accepts, describe, show
from grpo_cli.config.suggest import nearest, or_list

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")

# Numbers that TRL, transformers or generation would refuse (or quietly train nothing with) only later.
# key → (least, whether the least itself is allowed, most, whether the most itself is allowed); None: no bound.
BOUNDS: dict[str, tuple[float | None, bool, float | None, bool]] = {
    "training.learning_rate": (0, True, None, True),
    "training.weight_decay": (0, True, None, True),
    "training.adam_beta1": (0, True, 1, False),
    "training.adam_beta2": (0, True, 1, False),
    "training.adam_epsilon": (0, False, None, True),
    "training.max_grad_norm": (0, True, None, True),
    "training.warmup_steps": (0, True, None, True),
    "training.num_train_epochs": (0, False, None, True),
    "training.per_device_train_batch_size": (1, True, None, True),
    "training.per_device_eval_batch_size": (1, True, None, True),
    "training.gradient_accumulation_steps": (1, True, None, True),
    "training.num_generations": (2, True, None, True),
    "training.num_iterations": (1, True, None, True),
    "training.steps_per_generation": (1, True, None, True),
    "training.generation_batch_size": (1, True, None, True),
    "training.max_completion_length": (1, True, None, True),
    "training.temperature": (0, False, None, True),
    "training.top_p": (0, False, 1, True),
    "training.top_k": (0, True, None, True),
    "training.min_p": (0, True, 1, True),
    "training.repetition_penalty": (0, False, None, True),
    "training.beta": (0, True, None, True),
    "training.epsilon": (0, True, None, True),
    "training.top_entropy_quantile": (0, True, 1, True),
    "training.vllm_gpu_memory_utilization": (0, False, 1, True),
    "training.vllm_tensor_parallel_size": (1, True, None, True),
    "training.logging_steps": (0, False, None, True),
    "training.save_steps": (0, False, None, True),
    "training.save_total_limit": (1, True, None, True),
    "training.seed": (0, True, 2**32 - 1, True),
    "training.dataloader_num_workers": (0, True, None, True),
    "seed": (0, True, 2**32 - 1, True),
    "evaluation.every": (0, False, None, True),
    "evaluation.limit": (1, True, None, True),
    "evaluation.batch_size": (1, True, None, True),
    "evaluation.samples": (1, True, None, True),
    "evaluation.temperature": (0, True, None, True),
    "evaluation.top_p": (0, False, 1, True),
    "evaluation.top_k": (0, True, None, True),
    "evaluation.early_stopping.patience": (1, True, None, True),
    "evaluation.early_stopping.min_delta": (0, True, None, True),
    "evaluation.best.keep": (1, True, None, True),
    "evaluation.max_completion_length": (1, True, None, True),
    "peft.r": (1, True, None, True),
    "peft.lora_alpha": (1, True, None, True),
    "peft.lora_dropout": (0, True, 1, False),
    "launch.nodes.timeout": (0, False, None, True),
    "launch.slurm.notice_seconds": (1, True, None, True),
    "guard.workers": (1, True, None, True),
    "guard.memory_gb": (0.1, True, None, True),
    "guard.window": (1, True, None, True),
    "report.every": (0, False, None, True),
    "report.max_mb": (0, True, None, True),
    "doctor.patience": (1, True, None, True),
    "doctor.zero_variance": (0, False, 1, True),
    "doctor.truncated": (0, False, 1, True),
    "doctor.max_kl": (0, False, None, True),
    "doctor.max_mismatch": (0, False, None, True),
    "reward.<name>.timeout": (0, False, None, True),
    "reward.<name>.max_failure_rate": (0, True, 1, True),
    "rollout.mismatch_every": (1, True, None, True),
    "rollout.mismatch_tolerance": (0, False, None, True),
    "rollout.server.gpus": (1, True, None, True),
    "rollout.server.port": (1, True, 65535, True),
    "sweep.seed": (0, True, None, True),
    "sweep.batch": (1, True, None, True),
    "sweep.n_trials": (1, True, None, True),
    "launch.num_processes": (1, True, None, True),
    "launch.grace_seconds": (0, True, None, True),
}
_WHY = {
    "training.num_generations": "GRPO compares the completions of one prompt with each other",
    "training.temperature": "sampling at 0 would make all completions of a prompt the same",
    "training.max_steps": "-1 trains for num_train_epochs",
    "evaluation.every": "below 1 it is a share of training",
}


def problem(field: Field, value: Any, key: str | None = None) -> str | None:
    """Check one value against its key.

    Args:
        field: the key's declaration.
        value: plain containers and scalars.
        key: the key as the user wrote it, where it differs from the field's own (`reward.format.weight`).

    Returns:
        One sentence, or None where the value is fine.
    """
    key = key or field.key
    if field.auto and value == "auto":
        return None
    if value == "???":
        return f"{key} must be set: {field.help} Write {key}=<value>."
    if field.choices:
        return None if _fits_choice(field, value) else _bad_choice(field, value, key)
    if not accepts(field.kinds, value):
        return _bad_type(field, value, key)
    wrong = out_of_range(field.key, value)
    return f"{key} {wrong}." if wrong else None


def _fits_choice(field: Field, value: Any) -> bool:
    """Tell whether a value is one of the choices, or a list of them; null and booleans where the type has them."""
    if isinstance(value, list) and value and accepts(field.kinds, value):
        return all(_fits_choice(field, each) for each in value)
    if isinstance(value, str) or not accepts([k for k in field.kinds if k.name in ("None", "bool")], value):
        return any(value == c and type(value) is type(c) for c in field.choices or ())
    return True


def _bad_choice(field: Field, value: Any, key: str) -> str:
    if isinstance(value, list) and accepts(field.kinds, value):
        value = next((each for each in value if not _fits_choice(field, each)), "[]")
    choices = [show(c) for c in field.choices or ()] + (["auto"] if field.auto else [])
    meant = nearest(show(value), choices)
    hint = f"; did you mean {meant}?" if meant else "."
    return f"{key} cannot be {show(value)}{hint} Choices: {or_list(choices, 50)}."


def _bad_type(field: Field, value: Any, key: str) -> str:
    expected = describe(field.kinds) + (" or auto" if field.auto else "")
    names = {kind.name for kind in field.kinds}
    if not names - {"None"}:
        return f"{key} cannot be set from a config; leave it out."
    what = f"{key} must be {_article(expected)}, not {_named(value)}"
    if isinstance(value, str) and names & {"int", "float"} and _NUMBER.fullmatch(value.strip()):
        if "float" in names or ("." not in value and "e" not in value.lower()):
            return f"{what}: the quotes make it text; write {key}={value.strip()} without them."
        number = float(value)
        return f"{what}: write {key}={int(number)}." if number == int(number) else f"{what}."
    if isinstance(value, float) and "int" in names and value == int(value):
        return f"{what}: write {key}={int(value)}."
    if isinstance(value, str) and "bool" in names and value.lower() in ("yes", "no", "on", "off", "1", "0"):
        return f"{what}: write {key}={'true' if value.lower() in ('yes', 'on', '1') else 'false'}."
    if isinstance(value, int | float) and "str" in names:
        return f"{what}: quote it, {key}=\"'{show(value)}'\"."
    if isinstance(value, str | int | float) and "list" in names:
        return f"{what}: write '{key}=[{show(value)}]'."
    return f"{what}."


def _article(expected: str) -> str:
    """Put the words of a type into a sentence: "a float or null", "an int"."""
    words = {
        "bool": "true or false", "str": "text", "int": "a whole number", "float": "a number",
        "dict": "a mapping ({key: value, …})", "list": "a list ([a, b, …])",
    }  # fmt: skip
    plural = {"str": "texts", "int": "whole numbers", "float": "numbers", "bool": "booleans"}
    parts = []
    for part in expected.split(" or "):
        if part.startswith("list of "):
            parts.append(f"a list of {plural.get(part[8:], part[8:])}")
        else:
            parts.append(words.get(part, part))
    return " or ".join(parts)


def _named(value: Any) -> str:
    if isinstance(value, str):
        return f"the text '{value}'"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return show(value)


def out_of_range(key: str, value: Any) -> str | None:
    """Say how a number misses its bounds.

    Args:
        key: full name of the key.
        value: what it is set to; anything but a number passes.

    Returns:
        "must be at least 2, not 1 (…)", or None.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value != value:
        return "must be a number, not nan"
    if key == "training.max_steps" and value != -1 and value < 1:
        return f"must be at least 1, or -1, not {show(value)} ({_WHY[key]})"
    least, least_in, most, most_in = BOUNDS.get(key, (None, True, None, True))
    low = least is not None and (value < least or (value == least and not least_in))
    high = most is not None and (value > most or (value == most and not most_in))
    if not low and not high:
        return None
    words = []
    if least is not None:
        words.append(f"{'at least' if least_in else 'greater than'} {show(least)}")
    if most is not None:
        words.append(f"{'at most' if most_in else 'less than'} {show(most)}")
    why = f" ({_WHY[key]})" if key in _WHY else ""
    return f"must be {' and '.join(words)}, not {show(value)}{why}"
