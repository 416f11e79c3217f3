"""Run folders as a run writes them, for tests: small or large, in every state, and with hostile text."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import append, write_json

START = 1_795_000_000.0
HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    '"><svg onload="window.hacked = 3">',
    "<!-- <script> ]]> &lt;b&gt; {{7*7}} ${7*7} `",
    "\u202etxt.exe\u0000\x1b[31m\ud83d \x0c",
    "javascript:window.hacked=4",
)


def record_run(
    root: Path,
    *,
    steps: int = 20,
    prompts: int = 4,
    samples: int = 4,
    held_out: int = 8,
    every: int | None = 10,
    accuracy: Sequence[float] = (0.1, 0.5, 0.9),
    interval: float | None = 0.05,
    status: str = "completed",
    config: dict[str, Any] | None = None,
    texts: Sequence[str] = (),
    words: int = 12,
    seed: int = 0,
) -> Path:
    """Write a run folder.

    Args:
        root: where.
        steps: optimizer steps that were trained.
        prompts: groups a step.
        samples: completions a group (G).
        held_out: held-out prompts.
        every: steps between evaluations; None for a run without any.
        accuracy: held-out accuracy at each evaluation, the last one repeated where there are more.
        interval: half width of the 95 % intervals; None records none.
        status: what `result.json` says.
        config: what differs from the defaults, by dotted key.
        texts: completions to use in turn, in place of made-up ones.
        words: words in a made-up completion.
        seed: of everything made up.

    Returns:
        The folder.
    """
    draw = random.Random(seed)
    folder = RunFolder(root)
    root.mkdir(parents=True, exist_ok=True)
    folder.config.write_text(json.dumps(_config(config or {})), encoding="utf-8")
    folder.overrides.write_text(json.dumps([f"{k}={v}" for k, v in (config or {}).items()]), encoding="utf-8")
    write_json(folder.provenance, PROVENANCE)
    number = iter(range(10**9))

    def text() -> str:
        if texts:
            return texts[next(number) % len(texts)]
        return " ".join(draw.choice(WORDS) for _ in range(words)) + f" answer {next(number)}"

    evaluations: list[dict[str, Any]] = []

    def evaluate(step: int) -> None:
        value = accuracy[min(len(evaluations), len(accuracy) - 1)]
        record = evaluation(step, value, evaluations[0]["eval/held_out/accuracy"] if evaluations else value, interval)
        evaluations.append(record)
        append(folder.metrics, record)
        append(
            folder.completions("eval"), *(_completion(step, i, 0, text(), f"held {i}", draw) for i in range(held_out))
        )

    events: list[dict[str, Any]] = [{"event": "phase", "time": START, "name": "starting"}]
    if every:
        evaluate(0)
    events.append({"event": "phase", "time": START + 10, "name": "training"})
    for step in range(1, steps + 1):
        append(folder.metrics, training_log(step, steps, draw))
        records = [
            {
                **_completion(step, g, s, text(), f"prompt {(step * prompts + g) % 97}", draw),
                "advantage": draw.gauss(0, 1),
            }
            for g in range(prompts)
            for s in range(samples)
        ]
        append(folder.completions("train"), *records)
        if every and step % every == 0:
            evaluate(step)
    events.append({"event": "phase", "time": START + 10 + steps, "name": "done"})
    append(folder.events, *events)
    write_json(
        folder.result,
        {
            "status": status,
            "host": "elsewhere",
            "step": steps,
            "max_steps": steps if status == "completed" else steps * 2,
            "seconds": 61.5,
            "started": "2026-01-01T00:00:00+00:00",
            "error": "CUDA ran out of memory.\nmore" if status == "failed" else None,
            "objective": {"name": "eval/held_out/accuracy", "value": accuracy[-1], "direction": "maximize"},
            "timings": {"train_seconds": 50.0},
        },
    )
    return root


def evaluation(step: int, value: float, first: float, interval: float | None) -> dict[str, Any]:
    """One held-out evaluation, with intervals where `interval` is their half width."""
    key = "eval/held_out/accuracy"
    record: dict[str, Any] = {"kind": "eval", "step": step, "time": START + step, key: value}
    if interval is not None:
        gain = value - first
        record |= {f"{key}_low": value - interval, f"{key}_high": value + interval, f"{key}_gain": gain}
        record |= {f"{key}_gain_low": gain - interval, f"{key}_gain_high": gain + interval}
    record |= {"eval/held_out/pass@4": min(1.0, value + 0.1), "eval/held_out/completion_length": 20.0 + step}
    record |= {"eval/held_out/level=easy/accuracy": value, "eval/held_out/level=hard/accuracy": value / 2}
    return record | {"eval/held_out/samples": 8, "eval/held_out/seconds": 0.5}


def training_log(step: int, steps: int, draw: random.Random) -> dict[str, Any]:
    """One training log under TRL's names; the reward rises."""
    return {
        **{"kind": "train", "step": step, "time": START + 10 + step, "loss": draw.gauss(0, 0.1)},
        **{"grad_norm": 0.5 + draw.random() / 5, "learning_rate": 5e-4 * (1 - step / (steps + 1))},
        **{"num_tokens": 1000.0 * step, "reward": step / steps, "rewards/exact_match/mean": 0.9 * step / steps},
        **{"rewards/format/mean": 0.1 * step / steps, "frac_reward_zero_std": 0.25, "entropy": 0.4, "kl": 0.01 * step},
        **{"clip_ratio/region_mean": 0.0, "clip_ratio/low_mean": 0.0, "clip_ratio/high_mean": 0.0},
        **{"completions/mean_length": 20.0, "completions/min_length": 5.0, "completions/max_length": 40.0},
        **{"completions/clipped_ratio": 0.1, "step_time": 0.5},
    }


def _completion(step: int, group: int, sample: int, text: str, prompt: str, draw: random.Random) -> dict[str, Any]:
    right = float(draw.random() < 0.5)
    return {
        **{"step": step, "group": group, "sample": sample, "prompt": [{"role": "user", "content": prompt}]},
        **{"completion": [{"role": "assistant", "content": text}], "reward": 0.9 * right + 0.1},
        **{"rewards": {"exact_match": right, "format": 1.0}, "length": len(text.split()), "truncated": False},
        "columns": {"answer": "42"},
    }


def _config(changes: dict[str, Any]) -> dict[str, Any]:
    """The default configuration, with changes by dotted key."""
    import copy

    from grpo_cli.report.settings import defaults

    config = copy.deepcopy(defaults())
    for key, value in changes.items():
        *path, last = key.split(".")
        place = config
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return config


WORDS = ("the", "sum", "of", "digits", "carries", "one", "over", "to", "tens", "and", "hundreds", "so", "or", "wrong")
PROVENANCE = {
    "command": ["grpo-train"],
    "git": {"sha": "0123456789abcdef", "branch": "main", "dirty": True, "untracked": []},
    "packages": {"python": "3.11.7", "trl": "1.16.0"},
    "hardware": {"cpu": "a processor", "cores": 2, "memory_bytes": 2**34, "gpus": []},
    "rewards": {"exact_match": {"target": "grpo_cli.rewards.correctness:exact_match", "sha256": "ab" * 32}},
    "data": {"train": {"rows": 4096, "fingerprint": "59a62bf7b3c98248"}, "test": {"rows": 8, "fingerprint": "81d1"}},
    "resolved": {"training.bf16": {"value": False, "why": "no GPU with bfloat16"}},
    "world_size": 1,
}
