"""Checking a composed config: all that is wrong with it, at once, before anything heavy starts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grpo_cli.config.evaluation import check_evaluation
from grpo_cli.config.fields import Field
from grpo_cli.config.other_names import SET_ELSEWHERE, nearest_key, unknown
from grpo_cli.config.schema import sections
from grpo_cli.config.suggest import did_you_mean, or_list
from grpo_cli.config.values import problem
from grpo_cli.errors import ConfigError
from grpo_cli.rewards.check import check_rewards

_SECRET = re.compile(r"(?:^|_)(token|key|secret|password)$", re.IGNORECASE)


def check(cfg: DictConfig) -> None:
    """Check a composed config against the schema.

    Args:
        cfg: the whole config, as Hydra composed it (without the `hydra` node).

    Raises:
        ConfigError: with every problem found, one sentence each.
    """
    try:
        plain = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as e:
        raise ConfigError(unresolved(e, _failing_key(cfg))) from None
    assert isinstance(plain, dict)
    raw = OmegaConf.to_container(cfg.get("training") or {}, resolve=False)
    assert isinstance(raw, dict)
    found = find_problems({str(k): v for k, v in plain.items()}) + _written_secrets(raw)
    if found:
        raise ConfigError(*found)


def _failing_key(node: DictConfig | ListConfig, prefix: str = "") -> str | None:
    """Find the first key whose value does not resolve (OmegaConf's error does not always say)."""
    keys: Iterable[Any] = node if isinstance(node, DictConfig) else range(len(node))
    for key in keys:
        full = f"{prefix}{key}"
        try:
            value = None if OmegaConf.is_missing(node, key) else node[key]
        except OmegaConfBaseException:
            return full
        if isinstance(value, DictConfig | ListConfig) and (found := _failing_key(value, f"{full}.")):
            return found
    return None


def unresolved(error: OmegaConfBaseException, key: str | None = None) -> str:
    """Put an interpolation that does not resolve into one sentence.

    Args:
        error: what OmegaConf raised.
        key: the key it stands at, where the error itself does not know.
    """
    key = key or getattr(error, "full_key", None) or "the config"
    what = str(error).split("\n")[0].rstrip(".")
    missing = re.search(r"Environment variable '(\w+)' not found", what)
    if missing:
        return f"{key} needs the environment variable {missing[1]}, which is not set; export {missing[1]}=…"
    missing = re.search(r"Interpolation key '([^']+)' not found", what)
    if missing:
        section, _, name = missing[1].rpartition(".")
        meant = nearest_key(section, name)
        hint = f"; did you mean ${{{meant}}}?" if meant else "."
        return f"{key} refers to ${{{missing[1]}}}, which does not exist{hint}"
    return f"{key}: {what}."


def find_problems(plain: dict[str, Any]) -> list[str]:
    """List what is wrong with a config.

    Args:
        plain: the resolved config as nested plain containers.

    Returns:
        One sentence per problem, in the order of the config.
    """
    table = sections()
    found: list[str] = []
    for name, value in plain.items():
        if name == "reward":
            found += check_rewards(value)
        elif name in table and name:
            found += _check_section(name, value, table)
        elif name in table[""]:
            wrong = problem(table[""][name], value)
            found += [wrong] if wrong else []
        else:
            found.append(unknown("", name))
    if isinstance(plain.get("training"), dict):
        found += _check_together(plain["training"])
    if isinstance(plain.get("evaluation"), dict):
        found += check_evaluation(plain["evaluation"], table["dataset"])
    if isinstance(plain.get("dataset"), dict):
        found += _check_mixture(plain["dataset"].get("mixture"), table["dataset"])
    if isinstance(plain.get("doctor"), dict):
        found += _check_stop_on(plain["doctor"].get("stop_on"))
    return found


def _check_section(section: str, value: Any, table: dict[str, dict[str, Field]]) -> list[str]:
    """Check a section's keys and values, and the sections inside it."""
    fields = table[section]
    if not isinstance(value, dict):
        return [f"{section} must be a section with keys, not {value!r}; keys: {or_list(fields)}."]
    found = []
    for name, given in value.items():
        if section == "training" and name in SET_ELSEWHERE and given != fields[name].default:
            why, now = SET_ELSEWHERE[name]
            found.append(f"training.{name} is not set here ({why}); {now}.")
            continue
        if f"{section}.{name}" in table:
            found += _check_section(f"{section}.{name}", given, table)
            continue
        wrong = problem(fields[name], given) if name in fields else unknown(section, str(name))
        if wrong:
            found.append(wrong)
    return found


def _check_together(training: dict[str, Any]) -> list[str]:
    """Settings that contradict each other; TRL would refuse them after the model is loaded."""
    found = []
    if training.get("bf16") is True and training.get("fp16") is True:
        found.append("training.bf16 and training.fp16 are both true; set one of them.")
    if training.get("auto_find_batch_size") is True:
        found.append(
            "training.auto_find_batch_size does not work with GRPO (a halved batch would split groups); "
            "lower training.per_device_train_batch_size instead."
        )
    if training.get("dataloader_prefetch_factor") is not None and not training.get("dataloader_num_workers"):
        found.append("training.dataloader_prefetch_factor needs training.dataloader_num_workers of at least 1.")
    if training.get("log_completions_hub_repo") and not training.get("log_completions"):
        found.append("training.log_completions_hub_repo needs training.log_completions=true.")
    return found


def _check_stop_on(stop_on: Any) -> list[str]:
    """The rules in `doctor.stop_on`, by name."""
    from grpo_cli.doctor.rules import NEVER_STOPS, RULES

    rules = [name for name in RULES if name not in NEVER_STOPS]
    return [
        f"doctor.stop_on: there is no rule {name}{did_you_mean(str(name), rules) or '.'} Rules: {or_list(rules, 50)}."
        for name in (stop_on if isinstance(stop_on, list) else ())
        if name not in rules
    ]


def _check_mixture(mixture: Any, fields: dict[str, Field]) -> list[str]:
    """The values in the entries of `dataset.mixture`, which have the types of `dataset` itself."""
    found = []
    for name, entry in mixture.items() if isinstance(mixture, dict) else ():
        for key, value in entry.items() if isinstance(entry, dict) else ():
            wrong = problem(fields[key], value, f"dataset.mixture.{name}.{key}") if key in fields else None
            found += [wrong] if wrong else []
    return found


def _written_secrets(training: dict[Any, Any]) -> list[str]:
    """Secrets written out, which would end up in the run folder and in whatever it is shared with."""
    found = []
    for name, value in training.items():
        if _SECRET.search(str(name)) and isinstance(value, str) and value and "${" not in value:
            found.append(
                f"training.{name} holds the secret itself, which would be written into the run folder; "
                f"write training.{name}='${{oc.env:HF_TOKEN}}'."
            )
    return found
