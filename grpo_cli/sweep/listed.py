"""Which jobs a multirun's command line asks for, told before Hydra starts any: commas, ranges, choices, globs."""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from omegaconf import DictConfig

from grpo_cli.config.suggest import or_list
from grpo_cli.errors import ConfigError


def listed_jobs(config: DictConfig, asked: Sequence[str]) -> list[list[str]]:
    """Split the overrides as Hydra's basic sweeper will.

    Args:
        config: the configuration of the multirun itself.
        asked: the overrides of the command line, with references as they were written.

    Returns:
        The overrides of each job, in order.

    Raises:
        ConfigError: a glob matches none of its group's choices, so that there would be no job at all.
    """
    hydra = GlobalHydra.instance().hydra
    loader = hydra.config_loader if hydra else None  # knows which choices a group has, for glob(*)
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*given, *asked])
    for override in parsed:
        value = override.value()
        if isinstance(value, Glob) and not list(override.sweep_string_iterator()):
            assert loader is not None
            choices = sorted(loader.get_group_options(override.key_or_group))
            there = f"it has {or_list(choices)}" if choices else "there is no such group"
            raise ConfigError(f"{override.input_line} matches no choice of {override.key_or_group}; {there}.")
    return [list(job) for batch in BasicSweeper.split_arguments(parsed, max_batch_size=None) for job in batch]
