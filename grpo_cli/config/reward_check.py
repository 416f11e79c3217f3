"""Checking the `reward` section: its entries are open, each to its own target's arguments."""

from __future__ import annotations

from typing import Any

from grpo_cli.config.schema import reward_entry
from grpo_cli.config.suggest import nearest
from grpo_cli.config.targets import problems as target_problems
from grpo_cli.config.values import problem


def check(rewards: Any) -> list[str]:
    """Check all rewards.

    Args:
        rewards: the composed `reward` section: name → entry.

    Returns:
        One sentence per problem.
    """
    if not isinstance(rewards, dict):
        return [
            f"reward must map names to entries, not {rewards!r}; write reward=[exact_match] or reward.<name>.target=…"
        ]
    if not rewards:
        return [
            "No reward is chosen, so there is nothing to train for; write reward=[<name>,…] (grpo-train "
            "--help lists them)."
        ]
    found = [p for name, entry in rewards.items() for p in _check_entry(str(name), entry)]
    weights = [entry.get("weight", 1.0) for entry in rewards.values() if isinstance(entry, dict)]
    if not found and all(weight == 0 for weight in weights):
        found.append("Every reward has weight 0, so nothing would be learned; give one of them a weight.")
    return found


def _check_entry(name: str, entry: Any) -> list[str]:
    """Check one reward: its own keys by type, its target, and the keys its target must take."""
    where = f"reward.{name}"
    if not isinstance(entry, dict):
        near = nearest(name, reward_entry())
        hint = f"; did you mean reward.<name>.{near}?" if near else ""
        return [f"{where} must be a mapping with a target, not {entry!r}{hint}."]
    table = reward_entry()
    target = entry.get("target", "???")
    if target in (None, "???"):
        given = ", ".join(k for k in entry if k != "target") or "nothing else"
        return [
            f"{where} has no target (it sets {given}): add {name} to the selection, reward=[…,{name}], "
            f"give your own, {where}.target=my_rewards.py:function, or leave it out, ~{where}."
        ]
    found = []
    for key, value in entry.items():
        wrong = problem(table[key], value, f"{where}.{key}") if key in table else None
        if wrong:
            found.append(wrong)
    if isinstance(target, str):
        arguments = [k for k in entry if k not in table]
        found += [_reserved_too(p, table) for p in target_problems(f"{where}.target", target, arguments)]
    return found


def _reserved_too(sentence: str, table: dict[str, Any]) -> str:
    """Point to a reserved key where the unknown argument is a misspelled one (`wieght`)."""
    head = sentence.split(":", 1)[0]
    argument = head.rpartition(".")[2]
    near = nearest(argument, table, cutoff=0.75)
    if "takes no argument" in sentence and near and "did you mean" not in sentence:
        return f"{head}: no such key; did you mean {head.rpartition('.')[0]}.{near}?"
    return sentence
