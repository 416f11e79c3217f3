"""What the composer settles before a configuration is frozen: names made absolute, the objectives, the light rules."""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig

from grpo_cli.config.freeze import as_dict
from grpo_cli.errors import ConfigError
from grpo_cli.launch.elsewhere import hardware_asked_for
from grpo_cli.launch.hardware import Hardware, detect
from grpo_cli.preflight.finding import ERROR, WARNING
from grpo_cli.preflight.objective import settle_objectives, settle_selection
from grpo_cli.preflight.rules import light_findings
from grpo_cli.preflight.situation import Situation, situation_of
from grpo_cli.rollout.engine import starts_server
from grpo_cli.runs.objectives import as_keys

_told: set[str] = set()


def prepare(cfg: DictConfig, hardware: Hardware) -> Situation:
    """Settle paths and the objectives in a configuration, in place, and check what needs no torch.

    Args:
        cfg: the composed configuration.
        hardware: this machine.

    Returns:
        The configuration on the machine, as the rules looked at it.

    Raises:
        ConfigError: every problem found.
    """
    make_absolute(cfg)
    translate(cfg)
    situation = situation_of(as_dict(cfg), hardware)
    findings = light_findings(situation)
    if problems := [finding.sentence for finding in findings if finding.severity == ERROR]:
        raise ConfigError(*problems)
    config = as_dict(cfg)
    for key, value in as_keys(settle_objectives(config)).items():
        cfg[key] = value
    for part in ("early_stopping", "best"):
        cfg.evaluation[part].metric = settle_selection(config, part)
    for finding in findings:
        if finding.severity == WARNING and finding.sentence not in _told:
            _told.add(finding.sentence)  # once, however many jobs a multirun has
            print(f"grpo-train: warning: {finding.sentence}", file=sys.stderr)
    return situation


def machine_for(cfg: DictConfig) -> Hardware:
    """This machine; in a dry run on one without GPUs, the machine that the configuration asks for.

    Args:
        cfg: the composed configuration.

    Raises:
        ConfigError: `launch.accelerate_config` cannot be used.
    """
    hardware = detect()
    if not cfg.dry_run:
        return hardware
    server = int(cfg.rollout.server.gpus) if starts_server(as_dict(cfg)) else 0
    return hardware_asked_for(cfg.launch, hardware, server_gpus=server)


def make_absolute(cfg: DictConfig) -> None:
    """Make the paths of the user's own reward files absolute, so that a run resumes from any directory."""
    for entry in (*cfg.reward.values(), *(cfg.evaluation.reward or {}).values()):
        path, colon, name = str(entry.get("target") or "").partition(".py:")
        if colon:
            entry.target = f"{Path(path + '.py').expanduser().absolute()}:{name}"


def translate(cfg: DictConfig) -> None:
    """Move what is set under TRL's name to the section that holds it here: reward weights, trust in remote code.

    Raises:
        ConfigError: another number of weights than of rewards.
    """
    weights = cfg.training.pop("reward_weights", None)
    if weights is not None:
        if len(weights) != len(cfg.reward):
            raise ConfigError(
                f"training.reward_weights has {len(weights)} weights for {len(cfg.reward)} rewards "
                f"({', '.join(cfg.reward)}); give one each, or write reward.<name>.weight."
            )
        for entry, weight in zip(cfg.reward.values(), weights, strict=True):
            entry.weight = weight
    if cfg.training.pop("trust_remote_code", None):
        cfg.model.trust_remote_code = True
