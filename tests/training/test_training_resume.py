"""A run that was stopped and gone on with gives what an undisturbed run gives, bit for bit on a CPU."""

from __future__ import annotations

import hashlib
import json
import os
import signal

import pytest
from killing import Command
from real_runs import read_records

from grpo_cli.rewards.combine import Combiner

pytestmark = pytest.mark.slow

COMMON = [
    "display=plain",
    "training.max_steps=6",
    "training.save_steps=3",
    "training.logging_steps=2",  # no divisor of 3: the means of steps 3 and 4 reach across the checkpoint
    "dataset.generator_kwargs.num_train=64",
    "evaluation.limit=16",
    "evaluation.every=2",
    "training.num_generations=4",
]
SETTINGS = {
    "plain": [
        "training.per_device_train_batch_size=8",
        "training.gradient_accumulation_steps=2",
        # The best so far, and how long ago it was, have to survive as well.
        "evaluation.best={metric: auto, keep: 2}",
        "evaluation.early_stopping={metric: auto, patience: 9}",
    ],
    # Each generation serves steps 1-2 and, a second iteration, 3-4: the checkpoint lies in its midst.
    "buffered": [
        "training.per_device_train_batch_size=4",
        "training.gradient_accumulation_steps=2",
        "training.steps_per_generation=4",
        "training.num_iterations=2",
        # Statistics over all ranks, a weight that depends on the step: both have to survive.
        "reward=[exact_match,format]",
        "reward.exact_match.normalize=running",
        "reward.exact_match.gate=format",
        "reward.format.strict=false",
        "reward.format.schedule={0: 1.0, 4: 0.2}",
    ],
}
TIMES = {"time", "step_time", "eval/held_out/seconds"}


def steady(records):
    """Records without what is measured in seconds, and without the summary of one start's training."""
    return [
        {k: v for k, v in r.items() if k not in TIMES and not k.endswith("/ms")}
        for r in records
        if r.get("kind") != "summary"
    ]


def digests(folder):
    """SHA-256 of the final weights and of the state that the last checkpoint holds."""
    files = [folder / "model" / "model.safetensors", folder / "checkpoints" / "checkpoint-6" / "model.safetensors"]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]


@pytest.mark.parametrize(("setting", "processes"), [("plain", 1), ("buffered", 1), ("buffered", 2)])
def test_a_resumed_run_equals_a_straight_one(tmp_path, warm_command, processes, setting):
    words = [*COMMON, *SETTINGS[setting], f"launch.num_processes={processes}"]
    straight = Command(tmp_path, *words, "hydra.run.dir=straight", command=warm_command)
    assert straight.end() == 0, straight.output
    broken = Command(tmp_path, *words, "hydra.run.dir=broken")
    broken.wait((tmp_path / "broken" / "checkpoints" / "checkpoint-3" / "complete.json").exists, "checkpoint 3")
    os.kill(broken.process.pid, signal.SIGKILL)
    broken.end()
    assert broken.left(seconds=3) == []
    resumed = Command(tmp_path, *words, "hydra.run.dir=broken", command=warm_command)
    assert resumed.end() == 0, resumed.output
    assert "from step 3" in resumed.output, resumed.output
    one, other = tmp_path / "straight", tmp_path / "broken"
    assert steady(read_records(one / "metrics.jsonl")) == steady(read_records(other / "metrics.jsonl"))
    for split in ("train", "eval"):
        path = f"completions/{split}.jsonl"
        assert read_records(one / path) == read_records(other / path)
    assert digests(one) == digests(other)
    selections = [(run / "checkpoints" / "checkpoint-6" / "selection.json").read_text() for run in (one, other)]
    assert selections[0] == selections[1]
    if setting == "buffered":
        assert_combined(one)
    else:
        results = [json.loads((run / "result.json").read_text()) for run in (one, other)]
        assert results[0]["best"] == results[1]["best"] != None  # noqa: E711
        assert json.loads(selections[0])["early_stopping"]["best"] is not None


def assert_combined(folder):
    """What was summed is what the rewards gave, normalised over all batches so far, gated and weighted by the step."""
    entries = {
        "exact_match": {"weight": 1.0, "normalize": "running", "gate": "format"},
        "format": {"schedule": {0: 1.0, 4: 0.2}},
    }
    combiner, names = Combiner(entries), list(entries)
    records = read_records(folder / "completions" / "train.jsonl")
    steps = sorted({record["step"] for record in records})
    assert len(steps) > 1
    for step in steps:
        batch = [record for record in records if record["step"] == step]
        combined = combiner.apply([[record["rewards"][name] for name in names] for record in batch], names=names)
        weights = combiner.weights(step - 1)
        for record, values in zip(batch, combined, strict=True):
            assert [record["combined"][name] for name in names] == pytest.approx(values, abs=1e-6)
            assert record["reward"] == pytest.approx(sum(w * v for w, v in zip(weights, values, strict=True)), abs=1e-6)
