"""Sweep folders as a sweep writes them, for tests: any settings and values, in every state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import append, write_json

OBJECTIVE = "eval/held_out/accuracy"


def record_sweep(folder: Path, jobs: Sequence[dict[str, Any]], **record: Any) -> Path:
    """Write a sweep.

    Args:
        folder: where.
        jobs: each with `overrides`, `value` (None for none), and what differs from a completed job: `status`, `config`,
            `values` (of several objectives), `right` (whether each held-out prompt was answered rightly), `error`.
        record: further keys of `sweep.json`.
    """
    rows = []
    for number, job in enumerate(jobs):
        root = folder / str(number)
        status, value = job.get("status", "completed"), job.get("value")
        started = status not in ("invalid", "not started")
        if started:
            _run(root, job, status, value)
        row = {"number": number, "overrides": list(job["overrides"]), "status": status, "objective": value}
        row |= {"seconds": 60.0 + number, "folder": str(root) if started else None, "error": job.get("error")}
        rows.append(row | ({"objectives": job["values"]} if "values" in job else {}))
    usual = {"objective": OBJECTIVE, "direction": "maximize", "process": "1:0", "host": "elsewhere", "jobs": rows}
    write_json(folder / "sweep.json", {**usual, "process": None, **record})
    return folder


def settings(overrides: Sequence[str]) -> dict[str, Any]:
    """A small configuration that overrides of plain keys make up."""
    config: dict[str, Any] = {"seed": 42, "training": {"learning_rate": 0.001}, "report": {"enabled": True}}
    config |= {"reward": {"exact_match": {"weight": 1.0, "correctness": True}}, "evaluation": {"samples": 1}}
    for override in overrides:
        key, _, text = override.lstrip("+").partition("=")
        *path, last = key.split(".")
        place = config
        for part in path:
            place = place.setdefault(part, {})
        try:
            place[last] = json.loads(text)
        except json.JSONDecodeError:
            place[last] = text
    return config


def _run(root: Path, job: dict[str, Any], status: str, value: float | None) -> None:
    folder = RunFolder(root)
    root.mkdir(parents=True)
    folder.config.write_text(json.dumps(job.get("config") or settings(job["overrides"])), encoding="utf-8")
    last: dict[str, Any] = {}
    for step in (0, 10, 20):
        now = None if value is None else value * step / 20
        last = {"kind": "eval", "step": step, OBJECTIVE: now, "eval/held_out/completion_length": 20.0 - (now or 0)}
        if now is not None:
            last |= {f"{OBJECTIVE}_low": now - 0.1, f"{OBJECTIVE}_high": now + 0.1}
        append(folder.metrics, last)
    train = [{"step": 1, "group": i, "sample": 0, "prompt": "p", "completion": "c", "reward": 0.0} for i in range(8)]
    append(folder.completions("train"), *train)
    for group, right in enumerate(job.get("right", ())):
        completion = {"step": 20, "group": group, "sample": 0, "prompt": f"What is {group}?", "completion": "1"}
        scores = {"reward": float(right), "rewards": {"exact_match": float(right)}, "length": 3, "truncated": False}
        append(folder.completions("eval"), {**completion, **scores, "dataset": "held_out", "columns": {}})
    objective = {"name": OBJECTIVE, "value": value, "direction": "maximize"}
    result = {"status": status, "host": "elsewhere", "objective": objective, "metrics": {"after": last}}
    write_json(folder.result, {**result, "overrides": job["overrides"], "seconds": 60.0, "stopped": job.get("stopped")})
    folder.report.write_text("a report", encoding="utf-8")


def grid(values: dict[str, Sequence[float]], seeds: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Jobs for settings (override text → its values over the seeds 1, 2, …)."""
    return [
        {"overrides": [*override.split(), f"seed={seed}"], "value": value}
        for override, row in values.items()
        for seed, value in zip(seeds or range(1, 100), row, strict=False)
    ]
