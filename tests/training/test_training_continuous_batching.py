"""The continuous batching engine, which runs on a CPU too: a real step, in a cache of a bounded size."""

from __future__ import annotations

import json

import pytest
from forked_ranks import run_ranks
from real_runs import SHORT, read_records

from grpo_cli.preflight.rules.rollout import batching_options

WORDS = ["rollout=continuous_batching", "training.max_steps=1", "training.per_device_train_batch_size=8"]
BOUNDED = "+training.transformers_continuous_batching_config={num_blocks: 32, max_batch_tokens: 512}"


@pytest.mark.slow
def test_it_generates_and_trains(tmp_path):
    assert run_ranks([*SHORT, *WORDS, BOUNDED, "evaluation.baseline=false"], tmp_path) == (0, "")
    run = tmp_path / "run"
    records = read_records(run / "completions" / "train.jsonl")
    assert len(records) == 8 and all(0 < record["length"] <= 64 for record in records)
    (train,) = read_records(run / "metrics.jsonl", "train")
    assert train["loss"] == train["loss"] and train["grad_norm"] > 0
    assert not any(name.startswith("sampling/") for name in train), "which is documented"
    assert json.loads((run / "result.json").read_text())["model_holds"] == "weights"


def test_the_options_are_those_of_the_installed_transformers():
    import dataclasses

    from transformers.generation import ContinuousBatchingConfig

    declared = {field.name: field for field in dataclasses.fields(ContinuousBatchingConfig)}
    options = batching_options()
    assert list(options) == list(declared)
    for name in ("page_size", "num_blocks", "allow_block_sharing", "scheduler_type"):
        assert options[name].default == declared[name].default
