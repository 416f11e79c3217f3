"""`grpo-eval`: the evaluation of a run by itself: of models, runs, checkpoints, or a model behind an endpoint.

Nothing is imported here that takes time: --help answers before Hydra is loaded, a typo before torch could be.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from grpo_cli.commands._console import run_command
from grpo_cli.errors import EXIT_DONE, ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from grpo_cli.evaluation.subjects import Asked

HELP = """\
grpo-eval: how good is it? The evaluation of grpo-train, by itself

Usage: grpo-eval run=<run folder> [checkpoints=all] [KEY=VALUE …] [--json]
       grpo-eval model=<hub id or folder> dataset=<data> [KEY=VALUE …] [--json]
       grpo-eval endpoint=<address> model=<its name> dataset=<data> [KEY=VALUE …] [--json]

  grpo-eval run=outputs/grpo/<date and time>                          a run's model, on its held-out rows
  grpo-eval run=outputs/grpo/<date and time> checkpoints=all          its curve; also checkpoints=20,40 and last
  grpo-eval run=a,b                                                   two runs, and their paired difference
  grpo-eval model=embedded,outputs/grpo/<date and time>/model         two models on the same prompts
  grpo-eval model=Qwen/Qwen3-0.6B dataset=gsm8k reward=[math]
  grpo-eval endpoint=http://localhost:8000/v1 model=qwen dataset=rows.jsonl

Its own words:
  run=…            run folders or checkpoints; the first one's configuration is used
  checkpoints=…    of the run: all, last, or steps
  model=…          hub ids or folders, or the endpoint's names for models; several make a table of differences
  endpoint=…       address of a service that speaks OpenAI's chat completions
  api_key_env=…    NAME of the environment variable with its key (default: OPENAI_API_KEY where it is set)
  fresh=true       generate anew what the cache holds
  cache=…          folder of the cache (default: ~/.cache/grpo-train)
  --json           print JSON

All other words are overrides of grpo-train; most wanted here: evaluation.limit, evaluation.samples,
evaluation.temperature, evaluation.datasets=[…], evaluation.reward=[…] (grpo-train --fields evaluation lists them).

Exit codes: 0 done, 1 it failed, 2 the configuration is wrong, 130 interrupted.
"""


def main() -> int:
    """Run the command line.

    Returns:
        The exit code: 0 done, 1 failed, 2 the configuration is wrong, 130 interrupted.
    """
    return run_command("grpo-eval", HELP, _run, needs_arguments=True)


def _run(argv: list[str]) -> int:
    from grpo_cli.evaluation.subjects import understand

    asked = understand(argv)
    from grpo_cli.config.early import check_command_line

    check_command_line(asked.overrides)
    from grpo_cli.config.compose import run

    run(asked.overrides, lambda cfg, _: _evaluate(cfg, asked), program="grpo-eval")
    return EXIT_DONE


def _evaluate(cfg: DictConfig, asked: Asked) -> None:
    """Evaluate under a checked configuration, inside a job of Hydra's, and show what came out."""
    from grpo_cli.config.compose import discard_empty, run_folder
    from grpo_cli.config.evaluation import as_entry
    from grpo_cli.config.freeze import as_dict
    from grpo_cli.data.check import required_data_files
    from grpo_cli.jobs.prepare import make_absolute, translate
    from grpo_cli.preflight.files import file_problems

    discard_empty(run_folder(), Path(cfg.paths.output_dir))  # Hydra made it, and nothing is trained here
    make_absolute(cfg)
    translate(cfg)
    config = as_dict(cfg)
    problems = [
        *file_problems(config),
        *required_data_files(config["dataset"]),
        *(
            problem
            for name, entry in config["evaluation"]["datasets"].items()
            for problem in required_data_files(as_entry(entry), f"evaluation.datasets.{name}")
        ),
    ]
    if problems:
        raise ConfigError(*problems)
    top = asked.run.root / "evaluation" if asked.run else Path(config["paths"]["output_dir"]) / "eval"
    place = top / f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{time.time_ns() % 10**9 // 1000:06d}"
    from grpo_cli.evaluation.show import as_json, print_results
    from grpo_cli.evaluation.standalone import evaluate
    from grpo_cli.runs.jsonl import write_json
    from grpo_cli.trial.progress import progress

    with progress(sys.stderr) as tell:
        results = evaluate(config, asked, place, tell)
    found = as_json(results, str(place))
    write_json(place / "result.json", found)
    if asked.as_json:
        print(json.dumps(found, ensure_ascii=True, indent=2))
    else:
        print_results(results, str(place))


if __name__ == "__main__":
    sys.exit(main())
