"""Files and folders that a configuration names: the model, its tokenizer and chat template, reward models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grpo_cli.config.suggest import nearest

REWARD_MODEL = "grpo_cli.rewards.reward_model:RewardModel"
# Any of these makes a folder one that a tokenizer can be loaded from.
_TOKENIZER_FILES = ("tokenizer*", "vocab*", "*.model", "*.tiktoken", "tekken.json")


def file_problems(config: Mapping[str, Any]) -> list[str]:
    """Find what is missing among the models and templates of a configuration; hub ids are left to the worker.

    Args:
        config: the configuration as plain containers.

    Returns:
        One sentence per problem.
    """
    model = config["model"]
    problems = [
        *_folder_problem("model.name", model["name"], ("config.json",), "model"),
        *_folder_problem("model.tokenizer", model["tokenizer"], _TOKENIZER_FILES, "tokenizer"),
    ]
    template = model["chat_template"]
    if template and not is_template_text(template) and not Path(template).expanduser().is_file():
        problems.append(
            f"model.chat_template: there is no file {template}{_beside(Path(template), '*')}; give a .jinja file, or "
            "the template's text."
        )
    for name, entry in config["reward"].items():
        if entry.get("target") == REWARD_MODEL:
            problems += _folder_problem(f"reward.{name}.model", entry.get("model"), ("config.json",), "model")
    return problems


def is_template_text(template: str) -> bool:
    """Whether `model.chat_template` holds the template itself and not the name of a file."""
    return "{%" in template or "{{" in template


def is_local(name: str) -> bool:
    """Whether a model's or tokenizer's name means a folder here, and not a hub id."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or Path(name).expanduser().exists()


def _folder_problem(key: str, name: str | None, needed: tuple[str, ...], what: str) -> list[str]:
    """Say what is wrong with a folder that should hold a model or a tokenizer."""
    if not name or name == "embedded" or not is_local(name):
        return []
    folder = Path(name).expanduser()
    if not folder.is_dir():
        kind = "is a file, not a folder" if folder.is_file() else f"does not exist{_beside(folder, '*/')}"
        return [f"{key}: the folder {name} {kind}; give one saved by save_pretrained, or a hub id."]
    if what == "model" and (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
        return [
            f"{key}: the folder {name} holds an adapter, not a whole model: train it with peft.merge=true to have one "
            "(grpo-eval run=<its run> and grpo-chat run=<its run> take it as it is)."
        ]
    if not any(next(folder.glob(pattern), None) for pattern in needed):
        inside = next((f.parent.name for f in sorted(folder.glob("*/" + needed[0]))), None)
        hint = f"; did you mean {name.rstrip('/')}/{inside}?" if inside else ": give one saved by save_pretrained."
        return [f"{key}: the folder {name} holds no {what} (no {needed[0].replace('*', '.json')}){hint}"]
    return []


def _beside(path: Path, pattern: str) -> str:
    """Suggest a name that lies beside a missing one."""
    parent = path.expanduser().parent
    names = sorted(p.name for p in parent.glob(pattern)) if parent.is_dir() else []
    meant = nearest(path.name, names)
    return f" (did you mean {path.parent / meant}?)" if meant else ""
