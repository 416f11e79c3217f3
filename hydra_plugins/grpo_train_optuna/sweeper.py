"""Hydra's sweeper for `grpo-train -m sweep=optuna`: Optuna thinks up the jobs, the launcher runs them.

Hydra finds plugins in the namespace package `hydra_plugins` and imports them at every start, so this file imports
nothing of weight; what it does is in `grpo_cli.sweep.optuna`. Its settings are the keys of `sweep`.
"""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class GrpoOptunaSweeperConf:
    """The config of `hydra/sweeper=grpo_optuna` (`optuna` is the name of Hydra's own plugin)."""

    _target_: str = "hydra_plugins.grpo_train_optuna.sweeper.GrpoOptunaSweeper"


ConfigStore.instance().store(
    group="hydra/sweeper", name="grpo_optuna", node=GrpoOptunaSweeperConf, provider="grpo-train"
)


class GrpoOptunaSweeper(Sweeper):
    """Runs the trials of an Optuna study as jobs."""

    def __init__(self) -> None:
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over, and make the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the trials.

        Args:
            arguments: the overrides of the command line.
        """
        from grpo_cli.sweep.optuna.run import run

        assert self.config is not None and self.launcher is not None and self.hydra_context is not None
        return run(self.config, self.launcher, arguments, self.hydra_context.config_loader)
