"""A run's settings beside the defaults, and beside another run's."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NOT_SET = "not set"
MISSING = object()
# Decided by the program for each start, or about the start and not the run.
SETTLED = {"resume_from", "resume", "objective", "dry_run", "display", "report"}


@dataclass(frozen=True)
class Setting:
    """One key: what the run has, and what the default is (as text)."""

    key: str
    value: str
    default: str
    differs: bool


def compare_to_defaults(config: Mapping[str, Any]) -> list[Setting]:
    """Every setting of a run with its default, in the order of the configuration.

    Args:
        config: the frozen configuration.

    Returns:
        Settings of the run; keys that only the defaults have (those of a reward it does not use) are not among them.
    """
    own, usual = flat(config), flat(defaults())
    found = []
    for key, value in own.items():
        if key.split(".")[0] in SETTLED:
            continue
        default = usual[key] if key in usual else trl_default(key)
        found.append(Setting(key, shown(value), shown(default), value != default))
    return found


def differing(configs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """The keys in which runs differ, each with every run's value as text, in the order of the configurations."""
    flats = [flat(config) for config in configs]
    keys = dict.fromkeys(key for one in flats for key in one)
    rows = []
    for key in keys:
        values = [one.get(key, trl_default(key)) for one in flats]
        values = [MISSING if value == {} else value for value in values]  # an empty section
        if key.split(".")[0] not in SETTLED and any(v != values[0] for v in values[1:]):
            rows.append((key, [shown(v) for v in values]))
    return rows


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as dotted keys."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def shown(value: Any) -> str:
    """A value as it is written in YAML."""
    if value is MISSING:
        return NOT_SET
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)


@functools.lru_cache(maxsize=1)
def defaults() -> dict[str, Any]:
    """The configuration of `grpo-train` with nothing on the command line; empty where it cannot be composed."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path
    from hydra.types import RunMode
    from omegaconf import OmegaConf, flag_override

    from grpo_cli.config import places
    from grpo_cli.config.compose import register

    try:
        register()
        # Not hydra.compose: it refuses to work inside a job of Hydra's, where a finished run writes its report.
        loader = ConfigLoaderImpl(config_search_path=create_config_search_path(str(places.conf_dir())))
        cfg = loader.load_configuration("train", [], RunMode.RUN)
        with flag_override(cfg, ["struct", "readonly"], False):
            cfg.pop("hydra", None)
        plain = OmegaConf.to_container(cfg, resolve=True)
    except Exception:  # a conf folder of the user's own that does not compose is no reason for no report
        return {}
    return {str(k): v for k, v in plain.items()} if isinstance(plain, dict) else {}


def trl_default(key: str) -> Any:
    """TRL's own default of a `training` key that the default configuration leaves alone; `MISSING` for other keys."""
    section, _, name = key.partition(".")
    if section != "training":
        return MISSING
    from grpo_cli.config.schema import sections

    try:
        field = sections()["training"].get(name)
    except Exception:  # no TRL on the machine that reads the report
        return MISSING
    return MISSING if field is None else field.default
