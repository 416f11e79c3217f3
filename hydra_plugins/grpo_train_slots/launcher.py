"""Hydra's launcher for `grpo-train -m`: checks all jobs first, then runs them side by side on the machine's slots.

Hydra finds plugins in the namespace package `hydra_plugins` and imports them at every start, so this file imports
nothing of weight; what it does is in `grpo_cli.sweep.launching`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn


@dataclass
class SlotsLauncherConf:
    """The config of `hydra/launcher=slots`; how many slots there are is said in `launch.slots`."""

    _target_: str = "hydra_plugins.grpo_train_slots.launcher.SlotsLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="slots", node=SlotsLauncherConf, provider="grpo-train")


class SlotsLauncher(BasicLauncher):
    """Runs a batch of jobs, as many at once as there are slots."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs a sweeper asks for.

        Args:
            job_overrides: the overrides of each.
            initial_job_idx: the number of the first.

        Returns:
            One result a job, in order; its value is the job's objective, a list where there are several.
        """
        from grpo_cli.sweep.launching import launch

        assert self.config is not None
        return launch(self.config, super().launch, job_overrides, initial_job_idx)

    def stream(self, trials: object) -> None:
        """Run the jobs of a sampler, which is asked for one whenever a slot is free.

        Args:
            trials: a `grpo_cli.sweep.trials.Trials`.
        """
        from grpo_cli.sweep.launching import stream

        assert self.config is not None
        stream(self.config, super().launch, trials)
