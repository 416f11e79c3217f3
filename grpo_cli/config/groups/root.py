"""The keys outside every group."""

from __future__ import annotations

from dataclasses import dataclass

from grpo_cli.config.groups._option import option


@dataclass
class RootConfig:
    """What names, seeds, resumes, judges and shows a run."""

    name: str = option("grpo", help="Name of the run's folder and of the run in a tracker.")
    seed: int = option(42, help="Seed of everything random; training.seed follows it.")
    resume: str = option(
        "auto",
        help="auto: go on with the newest run of the same name and configuration that did not finish, from its last "
        "complete checkpoint; never: start anew; a run folder or checkpoint: go on from there.",
    )
    reproduce: str | None = option(
        None,
        help="A run folder: train once more with its configuration, in a new folder, and say whether losses, rewards "
        "and final weights are identical.",
    )
    objective: str | list[str] = option(
        "auto",
        help="Metric reported as the run's result and to sweeps. auto: eval/held_out/accuracy where a reward "
        "tells right from wrong, otherwise eval/held_out/reward. A list of several: jobs are compared by all of them.",
    )
    direction: str | list[str] = option(
        "maximize",
        help="Whether more or less of the objective is better; of several objectives one for each, or one for all.",
        choices=("maximize", "minimize"),
    )
    dry_run: bool = option(False, help="Compose, check, print the command that would be launched, and train nothing.")
    display: str = option(
        "auto",
        help="What is shown while training. auto: live where the output is a terminal, otherwise plain lines.",
        choices=("auto", "live", "plain", "quiet"),
    )
