"""Numbers that TRL, transformers or generation would refuse (or quietly train nothing with) only later."""

from __future__ import annotations

from typing import Any

from grpo_cli.config.types import show

# key → (least, whether the least itself is allowed, most, whether the most itself is allowed); None: no
# bound.
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
    "evaluation.every": (1, True, None, True),
    "evaluation.limit": (1, True, None, True),
    "evaluation.batch_size": (1, True, None, True),
    "evaluation.temperature": (0, True, None, True),
    "evaluation.max_completion_length": (1, True, None, True),
    "peft.r": (1, True, None, True),
    "peft.lora_alpha": (1, True, None, True),
    "peft.lora_dropout": (0, True, 1, False),
    "launch.num_processes": (1, True, None, True),
    "launch.grace_seconds": (0, True, None, True),
}
_WHY = {
    "training.num_generations": "GRPO compares the completions of one prompt with each other",
    "training.temperature": "sampling at 0 would make all completions of a prompt the same",
    "training.max_steps": "-1 trains for num_train_epochs",
}


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
