"""`grpo-check`: what grpo-train would do with these overrides, and what is wrong with them; nothing is started.

The light part (every rule, the run's numbers, the forecasts) imports no torch. `data=true` adds the data part: the
tokenizer and the data are loaded, the model is not. `probe=true` runs two steps on the hardware and measures them.
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grpo_cli.errors import EXIT_CONFIG, EXIT_SIGINT, ConfigError, GrpoTrainError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from grpo_cli.preflight.report import Report

_HELP = """\
grpo-check: is this grpo-train command right? Finds what is wrong, says why it matters and what to write instead.

Usage: grpo-check [the overrides of the grpo-train command …] [OPTION …]

  grpo-check experiment=addition_format               the light part: no torch, well under a second
  grpo-check dataset=rows.jsonl data=true             the data too: prompt lengths, leakage, answers
  grpo-check model=… probe=true                       two real steps: memory and time measured
  grpo-check training.num_generations=6 --json        for machines

Options:
  data=true, --data       load tokenizer and data (not the model) and look at the prompts
  probe=true, --probe     run two steps on this hardware (after which nothing is left) and measure memory and time
  strict=true, --strict   warnings count: exit 1
  --json                  print one JSON object: findings, arithmetic, memory, time, data, probe
  --version, --help

Exit codes: 0 nothing wrong, 1 warnings under strict=true, 2 errors. Keys and groups: grpo-train --help.
"""
_OPTIONS = {"data", "probe", "strict", "json"}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass
class Options:
    """What belongs to grpo-check and not to the run."""

    data: bool = False
    probe: bool = False
    strict: bool = False
    json: bool = False


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 nothing wrong, 1 warnings under strict=true, 2 errors.
    """
    argv = sys.argv[1:]
    if "-h" in argv or "--help" in argv:
        print(_HELP, end="")
        return 0
    if "--version" in argv:
        from grpo_cli import __version__

        print(f"grpo-check {__version__}")
        return 0
    as_json = "--json" in argv
    gc.disable()  # a tenth of the light part would go into looking for garbage among what was just imported
    try:
        options, overrides = split_options(argv)
        reports = _reports(overrides, options)
    except GrpoTrainError as error:
        _refuse(error, argv, as_json)
        return EXIT_CONFIG
    except KeyboardInterrupt:
        return EXIT_SIGINT
    except BaseException as error:  # a signal during a probe, after which nothing is left
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        return code
    if not reports:
        return 0  # one of Hydra's own commands (--cfg job), which has printed what it had to
    (report,) = reports
    _show(report, options)
    return report.exit_code(options.strict)


def split_options(argv: Sequence[str]) -> tuple[Options, list[str]]:
    """Take grpo-check's own options out of a command line.

    Args:
        argv: the arguments.

    Returns:
        The options, and the overrides for the composer.

    Raises:
        ConfigError: an option's value is neither true nor false, or a sweep is asked for.
    """
    options, rest = Options(), []
    for argument in argv:
        name, equals, value = argument.partition("=")
        flag = name.removeprefix("--")
        if flag not in _OPTIONS or (name == flag and not equals) or (name == "json"):
            rest.append(argument)
            continue
        if equals and value.lower() not in (*_TRUE, *_FALSE):
            raise ConfigError(f"{name}={value}: write {name}=true or {name}=false.")
        setattr(options, flag, not equals or value.lower() in _TRUE)
    if any(argument in ("-m", "--multirun") for argument in rest):
        raise ConfigError(
            "grpo-check looks at one configuration: leave out --multirun and give each key one value (a sweep checks "
            "each of its jobs itself before it starts)."
        )
    return options, rest


def _reports(overrides: list[str], options: Options) -> list[Report]:
    """Compose and check; one report, or none for Hydra's own commands."""
    from grpo_cli.config.early import check_command_line

    check_command_line(overrides)
    from grpo_cli.config.compose import run

    reports: list[Report] = []

    def job(cfg: DictConfig, given: list[str]) -> None:
        reports.append(check_job(cfg, data=options.data, probe=options.probe))

    with _composing_once():
        run(overrides, job, program="grpo-check")
    return reports


@contextlib.contextmanager
def _composing_once() -> Iterator[None]:
    """Spare Hydra the first of its two compositions, which only finds out whether this is a sweep."""
    from hydra._internal.hydra import Hydra

    asks = Hydra.get_mode
    # "Not said", which makes it a single run; a tenth of a second is saved.
    Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = asks  # type: ignore[method-assign]


def check_job(cfg: DictConfig, data: bool = False, probe: bool = False) -> Report:
    """Check one composed configuration, inside a job of Hydra's.

    Args:
        cfg: the configuration.
        data: whether to load and look at the data.
        probe: whether to measure two steps, where nothing is wrong.

    Returns:
        What was found.

    Raises:
        ConfigError: the configuration contradicts itself so that no rule can look at it.
    """
    from hydra.core.hydra_config import HydraConfig

    from grpo_cli.config.compose import discard_empty, run_folder
    from grpo_cli.config.freeze import as_dict
    from grpo_cli.jobs.prepare import machine_for, make_absolute, translate
    from grpo_cli.preflight.report import light_report
    from grpo_cli.preflight.situation import situation_of

    folder = run_folder().absolute()
    try:
        make_absolute(cfg)
        translate(cfg)
        named = any(o.startswith("hydra.run.dir=") for o in HydraConfig.get().overrides.hydra)
        situation = situation_of(as_dict(cfg), machine_for(cfg), folder=folder, named=named)
        report = light_report(situation)
        if data or probe:
            gc.freeze()
            gc.enable()
        if data:
            from grpo_cli.preflight.data import add_data_part

            add_data_part(report, situation)
        if probe:
            from grpo_cli.preflight.probe import add_probe

            add_probe(report, situation, cfg)
        return report
    finally:
        discard_empty(folder, Path(str(cfg.paths.output_dir)))  # Hydra made it; nothing was run


def _show(report: Report, options: Options) -> None:
    if options.json:
        print(json.dumps(report.as_dict(options.strict), indent=2, ensure_ascii=False, default=str))
        return
    from grpo_cli.preflight.render import print_report

    print_report(report)


def _refuse(error: GrpoTrainError, argv: Sequence[str], as_json: bool) -> None:
    """Tell what the composer refuses: as grpo-train would, or as findings."""
    if as_json:
        from grpo_cli.preflight.composition import composition_findings
        from grpo_cli.preflight.report import Report

        report = Report(composition_findings(error.problems, argv))
        print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
        return
    for sentence in error.problems:
        print(f"grpo-check: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
