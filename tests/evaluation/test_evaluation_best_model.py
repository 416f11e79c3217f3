"""A run made to collapse: its learning rate is far too high, so it rises within four steps and then unlearns all."""

import json

import pytest
from real_runs import read_records
from safetensors.torch import load_file
from training.forked_ranks import run_ranks

COLLAPSE = [
    "training.max_steps=48",
    "training.learning_rate=3e-3",
    "training.lr_scheduler_type=constant_with_warmup",
    "training.warmup_steps=8",
    "training.per_device_train_batch_size=32",
    "evaluation.every=4",
    "evaluation.limit=128",
    "evaluation.early_stopping={metric: auto, patience: 2}",
    "evaluation.best={metric: auto}",
]


@pytest.mark.slow
def test_training_that_collapses_is_stopped_and_leaves_its_best_model(tmp_path):
    assert run_ranks(COLLAPSE, tmp_path) == (0, "")
    run = tmp_path / "run"
    result = json.loads((run / "result.json").read_text())
    accuracy = {r["step"]: r["eval/held_out/accuracy"] for r in read_records(run / "metrics.jsonl", "eval")}
    best = result["best"]
    # It was stopped at the second evaluation after the best one.
    assert result["step"] == best["step"] + 8 == max(accuracy) < 48
    assert "has not risen above" in result["stopped"]
    assert best == {"step": best["step"], "metric": "eval/held_out/accuracy", "value": max(accuracy.values())}
    assert best["value"] > accuracy[result["step"]] + 0.3
    # The best model is the one that stays, and its numbers are the run's.
    assert result["metrics"]["after"]["eval/held_out/accuracy"] == result["objective"]["value"] == best["value"]
    checkpoint = load_file(run / "checkpoints" / f"checkpoint-{best['step']}" / "model.safetensors")
    model = load_file(run / "model" / "model.safetensors")
    assert model.keys() == checkpoint.keys() and all((model[name] == checkpoint[name]).all() for name in model)
    gain = read_records(run / "metrics.jsonl", "eval")[1]
    assert 0.5 < gain["eval/held_out/accuracy_gain_low"] <= gain["eval/held_out/accuracy_gain"]
