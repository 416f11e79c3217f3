"""`grpo-check probe=true`: two steps of the run on the hardware, measured; nothing of them stays.

The same launch plan, supervision and worker as for training, in a temporary run folder that is removed at the end.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpo_cli.errors import ConfigError
from grpo_cli.forecast.measured import Measurement, read_measurement
from grpo_cli.forecast.time import from_probe
from grpo_cli.launch.hardware import Hardware
from grpo_cli.launch.outcome import Outcome
from grpo_cli.launch.plan import WORKER, plan_launch
from grpo_cli.launch.signals import raising
from grpo_cli.launch.supervise import supervise
from grpo_cli.preflight.finding import ERROR, Finding
from grpo_cli.preflight.show import size
from grpo_cli.rollout.gpus import share_gpus
from grpo_cli.rollout.plan import plan_server
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import write_atomic

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from grpo_cli.forecast.savings import Saving
    from grpo_cli.preflight.report import Report
    from grpo_cli.preflight.situation import Situation

# What a probe does otherwise than the run: it ends after two steps, and writes to nobody.
_OTHERWISE = {
    "training.max_steps": 2,
    "training.save_strategy": "no",
    "training.eval_strategy": "no",
    "training.load_best_model_at_end": False,
    "training.metric_for_best_model": None,
    "training.push_to_hub": False,
    "training.report_to": "none",
    "training.disable_tqdm": True,
    "training.shuffle_dataset": False,  # the longest prompts are chosen, and put in order
    "resume_from": None,
}
_PHASES = {"starting": "starting", "loading data": "loading data", "loading model": "loading the model"}


def add_probe(report: Report, situation: Situation, cfg: DictConfig) -> None:
    """Probe, and put what was measured into a report; a configuration with errors is not started.

    Args:
        report: of the light part, and of the data part where it ran.
        situation: the configuration on its machine.
        cfg: the same as composed; changed in place.

    Raises:
        ConfigError: the launch cannot be probed from here.
        Interrupted: a signal came.
    """
    from grpo_cli.preflight.report import forecast_into

    if report.count(ERROR):
        return
    measured, outcome = run_probe(cfg, situation.config, situation.hardware)
    if report.forecast is None:  # the model's config may have come from the hub meanwhile
        situation.__dict__.pop("architecture", None)
        forecast_into(report, situation)
    report.add(probe_findings(measured, outcome, report.savings))
    if measured and outcome.exit_code == 0:
        report.measured = measured
        report.time = from_probe(measured, report.arithmetic.total_steps if report.arithmetic else None)


def run_probe(
    cfg: DictConfig, config: Mapping[str, Any], hardware: Hardware, say: Callable[[str], None] | None = None
) -> tuple[Measurement | None, Outcome]:
    """Launch the workers for two steps.

    Args:
        cfg: the composed configuration; changed in place.
        config: the same as plain containers.
        hardware: this machine.
        say: told what is going on; standard error by default.

    Returns:
        What was measured (as far as it got), and how it ended.

    Raises:
        ConfigError: the launch cannot be probed from here.
        Interrupted: a signal came; no process and no file is left.
    """
    from omegaconf import OmegaConf

    from grpo_cli.config.freeze import freeze

    _refuse_other_machines(config["launch"])
    for key, value in _OTHERWISE.items():
        OmegaConf.update(cfg, key, value, force_add=True)
    with raising(), tempfile.TemporaryDirectory(prefix="grpo-check-") as place:
        folder = RunFolder(Path(place).resolve())
        folder.logs.mkdir()
        write_atomic(folder.config, freeze(cfg))
        server, (trainers, _) = plan_server(config, hardware), share_gpus(config, hardware)
        plan = plan_launch(
            config["launch"], config["training"], folder.root, worker=(*WORKER, "--probe"), hardware=trainers
        )
        tick = Progress(folder, say or _to_stderr).tick
        outcome = supervise(plan, folder, on_tick=tick, grace_seconds=0, server=server)
        return read_measurement(folder.root), outcome


def probe_findings(measured: Measurement | None, outcome: Outcome, savings: Sequence[Saving]) -> list[Finding]:
    """What a probe that did not end well says of the run.

    Args:
        measured: as far as it got.
        outcome: how it ended.
        savings: overrides that would save memory, by the forecast, the largest first.
    """
    if outcome.exit_code == 0:
        return []
    ranks = measured.ranks if measured else []
    short = next((rank for rank in ranks if rank.out_of_memory), None)
    killed = "ran out of memory" in (outcome.error or "") or "killed by SIGKILL" in (outcome.error or "")
    short = short or (next((rank for rank in ranks if not rank.done), None) if killed else None)
    if short is None:
        lines = [line for line in (outcome.error or "The probe failed.").splitlines() if "whole log" not in line]
        return [Finding("probe.failed", ERROR, "", lines[0].rstrip("."), " ".join(lines[1:]).strip())]
    have = f", of which {size(short.total)} are there" if short.total else ""
    return [
        Finding(
            "probe.out_of_memory",
            ERROR,
            "training.per_device_train_batch_size",
            f"memory ran out in the phase '{short.phase}' of a real step, on rank {short.rank} ({short.device})",
            f"Before that it had taken {size(short.peak)}{have}. The longest prompts and completions of full length "
            "were taken, as the run will meet them some time.",
            tuple(saving.override for saving in list(savings)[:4]),
        )
    ]


class Progress:
    """Tells of the worker's phases as they come.

    Args:
        folder: the probe's.
        say: gets a sentence.
    """

    def __init__(self, folder: RunFolder, say: Callable[[str], None]) -> None:
        self.events = folder.events
        self.say = say
        self._read = 0

    def tick(self) -> None:
        """Tell what is new."""
        if not self.events.exists():
            return
        with self.events.open("rb") as lines:
            lines.seek(self._read)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                self._tell(json.loads(line))

    def _tell(self, event: Mapping[str, Any]) -> None:
        if event.get("event") == "phase" and event.get("name") in _PHASES:
            self.say(f"probe: {_PHASES[event['name']]}")
        elif event.get("event") == "phase" and event.get("name") == "measuring":
            self.say("probe: two steps, the second is timed")
        elif event.get("event") == "step":
            self.say(f"probe: step {event['step']} of 2 is done")


def _refuse_other_machines(launch: Mapping[str, Any]) -> None:
    nodes = launch.get("nodes") or {}
    count = nodes.get("count") if isinstance(nodes, Mapping) else None
    if isinstance(count, int) and count > 1:
        raise ConfigError(
            f"probe=true runs on this machine alone and launch.nodes.count={count} is asked for; write "
            "launch.nodes.count=1 to measure one machine's share."
        )
    if launch.get("kind") == "slurm" or launch.get("scheduler") == "slurm":
        raise ConfigError("probe=true runs here, not in a Slurm job; write launch=auto inside an allocation.")


def _to_stderr(sentence: str) -> None:
    print(f"grpo-check: {sentence}", file=sys.stderr, flush=True)
