"""`grpo-train reproduce=<folder>`: a recorded run's configuration once more, and whether the same comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from grpo_cli.config import schema
from grpo_cli.config.validate import check
from grpo_cli.errors import ConfigError
from grpo_cli.runs.compare import compare_results
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read
from grpo_cli.runs.origins import origin_differences
from grpo_cli.runs.result import COMPLETED, read_result, update_result

_KEPT = ("reproduce", "name", "paths", "display", "dry_run", "resume")


def recorded_config(cfg: DictConfig) -> DictConfig:
    """Put the configuration of the run to reproduce in the place of the composed one.

    Args:
        cfg: composed from the command line; only where the run goes and how it is watched is kept of it.

    Returns:
        The configuration the recorded run had, checked against the schema of this installation.

    Raises:
        ConfigError: the run recorded nothing, or its configuration does not hold here any more.
    """
    original = RunFolder(Path(cfg.reproduce))
    if not any(r.get("kind") == "train" for r in read(original.metrics)):
        raise ConfigError(
            f"reproduce={original.root}: that run recorded no training, so there is nothing to compare with."
        )
    frozen = OmegaConf.load(original.config)
    assert isinstance(frozen, DictConfig)
    merged = OmegaConf.merge(OmegaConf.create(schema.defaults()), frozen, {key: cfg[key] for key in _KEPT})
    assert isinstance(merged, DictConfig)
    merged.pop("resume_from", None)
    try:
        check(merged)
    except ConfigError as error:
        raise ConfigError(
            f"reproduce={original.root}: its configuration is of another version of grpo-train and does not hold here",
            *error.problems,
        ) from error
    return merged


def announce(original: RunFolder, new: RunFolder) -> dict[str, list[str]]:
    """Say before training what is not as it was: versions, code, reward sources, hardware, environment.

    The data is compared by the worker, which reads it.

    Returns:
        Section → differences, for `result.json`.
    """
    found = origin_differences(original, new)
    status = read_result(original).get("status")
    if status != COMPLETED:
        print(f"The run to reproduce is {status}: only what it recorded is compared.")
    if not found:
        print(f"Reproducing {original.root}: versions, code, rewards and hardware are the same.")
    else:
        print(f"Reproducing {original.root}; not as it was then:")
    for section, lines in found.items():
        print(f"  {section}", *(f"    {line}" for line in lines), sep="\n")
    print(flush=True)
    return found


def compare_with(original: RunFolder, new: RunFolder, before: dict[str, list[str]]) -> dict[str, Any]:
    """Compare what came out, say it on stdout and in `result.json`.

    Args:
        original: the recorded run.
        new: the one that has just ended.
        before: what `announce` found.

    Returns:
        The new run's `result.json`, with `reproduction`.
    """
    comparisons = compare_results(original, new)
    identical = all(c.identical is not False for c in comparisons)
    print(f"Reproduction of {original.root}: {'identical' if identical else 'NOT identical'}")
    for comparison in comparisons:
        print(f"  {comparison.sentence}")
    differences = {**before, **{k: v for k, v in origin_differences(original, new).items() if k == "data"}}
    return update_result(
        new,
        reproduction={
            "of": str(original.root),
            "identical": identical,
            **{c.what.replace(" ", "_"): c.as_dict() for c in comparisons},
            "differences": differences,
        },
    )
