"""The study of a sweep: opened or begun, and held to the space and the settings it began with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from grpo_cli.errors import ConfigError
from grpo_cli.rewards.source import run_sources
from grpo_cli.runs.jsonl import write_json
from grpo_cli.runs.result import read_json
from grpo_cli.runs.resume import LAUNCH_NOT_COMPARED, NOT_COMPARED, differences
from grpo_cli.sweep.optuna.journal import open_journal
from grpo_cli.sweep.optuna.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

NAME = "grpo-train"  # Hyperband shares its brackets out by the name: one for all sweeps keeps them reproducible
SPACE = "space.json"
AROUND = "config"  # the study's own note of the settings around the space


def open_study(folder: Path | None, space: Space, around: Mapping[str, Any], directions: Sequence[str]) -> Study:
    """Open the study of a sweep, or begin it.

    Args:
        folder: the sweep's folder; None: nothing is kept.
        space: its search space.
        around: the settings around it, as `settings_around` gives them.
        directions: "maximize" or "minimize" for each objective.

    Raises:
        ConfigError: it was begun with another space, or other settings around it.
    """
    import optuna

    storage: BaseStorage = open_journal(folder) if folder else optuna.storages.InMemoryStorage()
    described = describe(space)
    begun = any(study.study_name == NAME for study in storage.get_all_studies())
    study = optuna.create_study(
        storage=storage, study_name=NAME, directions=cast(Any, list(directions)), load_if_exists=True
    )
    if folder and begun and study.trials:
        _same_space(folder, described)
        if AROUND in study.user_attrs:
            _same_settings(folder, study.user_attrs[AROUND], around)
    if folder:
        write_json(folder / SPACE, described)
    if study.user_attrs.get(AROUND) != around:
        study.set_user_attr(AROUND, dict(around))
    return study


def describe(space: Space) -> dict[str, Any]:
    """The search space as `space.json` holds it: key → Optuna's own JSON of the distribution, and its condition."""
    from optuna.distributions import distribution_to_json

    return {
        parameter.key: {
            "distribution": json.loads(distribution_to_json(parameter.distribution())),
            "when": " and ".join(condition.written for condition in parameter.when) or None,
        }
        for parameter in space.parameters
    }


def settings_around(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is the same for all trials and decides their results.

    Args:
        config: the configuration around the space, unresolved (secrets stay out of the journal), as plain containers.
    """
    settings = {key: value for key, value in config.items() if key not in (*NOT_COMPARED, "paths", "name")}
    launch = settings.get("launch") or {}
    settings["launch"] = {key: value for key, value in launch.items() if key not in LAUNCH_NOT_COMPARED}
    try:
        sources = {name: source["sha256"] for name, source in run_sources(config).items()}
    except (KeyError, TypeError, OSError, ValueError):
        sources = {}  # of rewards that only a trial has
    settings["reward_source"] = {name: digest for name, digest in sources.items() if digest}
    return json.loads(json.dumps(settings, default=str))


def _same_space(folder: Path, now: Mapping[str, Any]) -> None:
    """Refuse a changed space: a sampler would mix values of two, and `grid` count other points as done."""
    before = read_json(folder / SPACE)
    if not before or before == json.loads(json.dumps(now)):
        return
    changed = [key for key in dict.fromkeys([*before, *now]) if before.get(key) != now.get(key)]
    raise ConfigError(
        f"The search space of the sweep in {folder} was another one ({', '.join(changed) or 'in another order'}); "
        "write resume=never to begin a new sweep."
    )


def _same_settings(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse changed settings around the space: trials of before and after would not compare."""
    if changed := differences(before, now):
        raise ConfigError(
            f"The sweep in {folder} was begun with other settings ({'; '.join(changed[:3])}), so its trials would not "
            "compare with new ones; write resume=never to begin a new sweep."
        )
