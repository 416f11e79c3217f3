"""What the user probably meant: the nearest valid key, in its own section or in another."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from grpo_cli.config.schema import sections

# Words other trainers (verl, OpenRLHF, NeMo-RL, PEFT, …) use for the same thing; spelling alone would not
# find them.
ALIASES: dict[str, str] = {
    "lr": "training.learning_rate",
    "actor_learning_rate": "training.learning_rate",
    "epochs": "training.num_train_epochs",
    "num_epochs": "training.num_train_epochs",
    "steps": "training.max_steps",
    "train_steps": "training.max_steps",
    "total_steps": "training.max_steps",
    "batch_size": "training.per_device_train_batch_size",
    "train_batch_size": "training.per_device_train_batch_size",
    "micro_batch_size": "training.per_device_train_batch_size",
    "grad_accum": "training.gradient_accumulation_steps",
    "accumulation": "training.gradient_accumulation_steps",
    "group_size": "training.num_generations",
    "num_rollouts": "training.num_generations",
    "n_samples_per_prompt": "training.num_generations",
    "num_return_sequences": "training.num_generations",
    "max_new_tokens": "training.max_completion_length",
    "max_tokens": "training.max_completion_length",
    "max_response_length": "training.max_completion_length",
    "response_length": "training.max_completion_length",
    "generate_max_len": "training.max_completion_length",
    "kl_coef": "training.beta",
    "kl_beta": "training.beta",
    "kl_loss_coef": "training.beta",
    "init_kl_coef": "training.beta",
    "clip_range": "training.epsilon",
    "clip_ratio": "training.epsilon",
    "cliprange": "training.epsilon",
    "eps_clip": "training.epsilon",
    "clip_ratio_high": "training.epsilon_high",
    "ppo_epochs": "training.num_iterations",
    "scheduler": "training.lr_scheduler_type",
    "lr_scheduler": "training.lr_scheduler_type",
    "optimizer": "training.optim",
    "warmup": "training.warmup_steps",
    "grad_clip": "training.max_grad_norm",
    "clip_grad": "training.max_grad_norm",
    "num_gpus": "launch.num_processes",
    "n_gpus": "launch.num_processes",
    "nproc_per_node": "launch.num_processes",
    "world_size": "launch.num_processes",
    "rank": "peft.r",
    "lora_rank": "peft.r",
    "output": "paths.output_dir",
}


def nearest(word: str, choices: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Find the choice most like a word.

    Args:
        word: what was written.
        choices: what can be written.
        cutoff: least similarity (0 to 1) that counts as meant.
    """
    table = {str(choice).lower(): str(choice) for choice in choices}
    found = difflib.get_close_matches(str(word).lower(), list(table), n=1, cutoff=cutoff)
    return table[found[0]] if found else None


def nearest_key(section: str, name: str) -> str | None:
    """Find the valid key that an unknown one stands for.

    Args:
        section: where it was written; "" for the root.
        name: the unknown key.

    Returns:
        A full key ("training.beta"), looked for by what other trainers call it, by its exact name in any
        section, then by spelling, in the same section first; None where nothing comes near.
    """
    table = sections()
    own = table.get(section, {})
    if name in ALIASES:
        meant = ALIASES[name].rpartition(".")[2]
        return own[meant].key if meant in own else ALIASES[name]
    for fields in table.values():
        if name in fields:
            return fields[name].key
    close = nearest(name, own)
    if close:
        return own[close].key
    everywhere = {field.name: field.key for fields in table.values() for field in fields.values()}
    close = nearest(name, everywhere, cutoff=0.75)
    return everywhere[close] if close else None


def or_list(choices: Iterable[object], limit: int = 14) -> str:
    """Write choices in a row for a sentence, cut where there are many."""
    words = [str(c) for c in choices]
    return ", ".join(words[:limit]) + (", …" if len(words) > limit else "")
