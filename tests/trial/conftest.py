"""Trials of rewards written in the test, on a few rows."""

from __future__ import annotations

import json

import pytest
from trial_material import ROWS

from grpo_cli.trial.findings import find
from grpo_cli.trial.trial import try_rewards


@pytest.fixture
def trial_of(tmp_path, monkeypatch):
    """Try rewards: sources of functions by name, or whole entries."""
    monkeypatch.chdir(tmp_path)

    def run(rewards, rows=ROWS, count=8, completions=None, chat_template=None, **dataset):
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        entries = {}
        for name, given in rewards.items():
            entry = {"source": given} if isinstance(given, str) else dict(given)
            if source := entry.pop("source", None):
                (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
                entry["target"] = f"{tmp_path / name}.py:{name}"
            entries[name] = entry
        config = {
            "model": {
                "name": "embedded",
                "tokenizer": None,
                "chat_template": chat_template,
                "revision": None,
                "trust_remote_code": False,
            },
            "dataset": {"path": "rows.jsonl", "test_size": 0, **dataset},
            "training": {"per_device_train_batch_size": 64, "gradient_accumulation_steps": 1, "num_generations": 8},
            "launch": {"num_processes": "auto"},
            "seed": 0,
            "reward": entries,
        }
        return try_rewards(config, count, completions)

    return run


@pytest.fixture
def findings_of(trial_of):
    """The findings of a trial, as (severity, reward, text)."""

    def run(*arguments, **options):
        return [(f.severity, f.reward, f.text) for f in find(trial_of(*arguments, **options))]

    return run
