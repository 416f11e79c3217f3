"""`grpo-reward`: try, list and replay rewards, before and after a run.

Nothing is imported here that takes time: --help and `list` answer before Hydra is loaded.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grpo_cli.commands._console import run_command
from grpo_cli.config.suggest import did_you_mean
from grpo_cli.errors import EXIT_DONE, EXIT_FAILED, ConfigError
from grpo_cli.trial.options import take_options, whole_number

if TYPE_CHECKING:
    from omegaconf import DictConfig

HELP = """\
grpo-reward: see what rewards do before a run depends on them

Usage: grpo-reward try [GROUP=CHOICE …] [KEY=VALUE …] [OPTION …]
       grpo-reward list [PATTERN]
       grpo-reward replay FILE [--line N]

  grpo-reward try                                         the default run's reward, on its data
  grpo-reward try 'reward=[exact_match,format]' dataset=gsm8k model=Qwen/Qwen3-0.6B
  grpo-reward try 'reward=[my_rewards.py:polite]' dataset=rows.jsonl
  grpo-reward try --completions outputs/grpo/<date and time>/completions/train.jsonl
  grpo-reward list                                        all rewards; yours, from ./conf/reward, have a *
  grpo-reward list exact_match                            one of them, with its settings
  grpo-reward replay outputs/grpo/<date and time>/reward_failures.jsonl

try: takes any override of grpo-train, runs the rewards over rows of the data with completions that are right, wrong,
empty, padded, sly or odd, and says what a model would learn to exploit.
  --rows N              rows of the data (default 32); fewer where a reward costs money
  --completions FILE    score these too: JSON lines with `completion` (and `prompt`, columns), or one text a line
  --json                everything as JSON

replay: runs recorded failures again, one by one, to see whether they still fail.
  --line N              only the failure in this line of the file

Exit codes: 0 clean, 1 findings (replay: still failing), 2 the configuration is wrong, 130 interrupted.
"""
COMMANDS = ("try", "list", "replay")
ROWS = 32


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 clean, 1 findings, 2 the configuration is wrong, 130 interrupted.
    """
    return run_command("grpo-reward", HELP, _run, needs_arguments=True)


def _run(argv: list[str]) -> int:
    command, rest = argv[0], argv[1:]
    if command == "try":
        return _try(rest)
    if command == "list":
        return _list(rest)
    if command == "replay":
        return _replay(rest)
    if "=" in command:
        raise ConfigError(f"Which command? Write grpo-reward try {command} …; see grpo-reward --help.")
    hint = did_you_mean(command, COMMANDS) or f"; there are {', '.join(COMMANDS)}."
    raise ConfigError(f"There is no command {command}{hint}")


def _try(argv: list[str]) -> int:
    options, overrides = take_options(argv, {"--rows": True, "--completions": True, "--json": False})
    rows = whole_number(options, "--rows", ROWS)
    if any(a in ("-m", "--multirun") for a in overrides):
        raise ConfigError("grpo-reward tries one configuration at a time; leave out -m.")
    codes: list[int] = []

    def job(cfg: DictConfig, _: list[str]) -> None:
        codes.append(_tried(cfg, rows, options))

    from grpo_cli.config.compose import run

    run(overrides, job, program="grpo-reward try")
    return codes[0] if codes else EXIT_DONE  # none: one of Hydra's own commands (--cfg job)


def _tried(cfg: DictConfig, rows: int, options: dict[str, str]) -> int:
    """Try the rewards of a checked config, and show what was found."""
    from grpo_cli.config.compose import discard_empty, run_folder
    from grpo_cli.config.freeze import as_dict
    from grpo_cli.jobs.prepare import make_absolute, translate
    from grpo_cli.preflight.files import file_problems
    from grpo_cli.trial.progress import progress

    discard_empty(run_folder(), Path(cfg.paths.output_dir))  # Hydra made it, and nothing is trained here
    make_absolute(cfg)
    translate(cfg)
    config = as_dict(cfg)
    if problems := file_problems(config):
        raise ConfigError(*problems)
    from grpo_cli.trial.trial import try_rewards

    completions = Path(options["--completions"]).expanduser() if "--completions" in options else None
    with progress(sys.stderr) as tell:
        trial = try_rewards(config, rows, completions, tell)
    from grpo_cli.trial.findings import find
    from grpo_cli.trial.rules import NOTE
    from grpo_cli.trial.table import as_json, print_trial

    findings = find(trial)
    if "--json" in options:
        print(json.dumps(as_json(trial, findings), ensure_ascii=True, indent=2))
    else:
        print_trial(trial, findings)
    return EXIT_FAILED if any(finding.severity != NOTE for finding in findings) else EXIT_DONE


def _list(argv: list[str]) -> int:
    options, words = take_options(argv, {"--json": False})
    if len(words) > 1 or any(word.startswith("-") for word in words):
        raise ConfigError("grpo-reward list takes one pattern at most: part of a name, or the name itself.")
    from grpo_cli.trial.catalogue import find_rewards
    from grpo_cli.trial.listing import print_detail, print_list

    found = find_rewards(words[0] if words else "")
    if "--json" in options:
        print(json.dumps([entry.as_json() for entry in found], ensure_ascii=True, indent=2))
    elif len(found) == 1 and words:
        print_detail(found[0])
    else:
        print_list(found)
    return EXIT_DONE


def _replay(argv: list[str]) -> int:
    options, words = take_options(argv, {"--line": True, "--json": False})
    if len(words) != 1:
        raise ConfigError("grpo-reward replay takes one file: the reward_failures.jsonl of a run, or the run's folder.")
    line = whole_number(options, "--line", 1) if "--line" in options else None
    from grpo_cli.trial.failures import print_replayed, replay_failures

    replayed = replay_failures(Path(words[0]).expanduser(), line)
    if "--json" in options:
        print(json.dumps([one.as_json() for one in replayed], ensure_ascii=True, indent=2))
    else:
        print_replayed(replayed)
    return EXIT_FAILED if any(one.fails for one in replayed) else EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
