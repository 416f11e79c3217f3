"""The same completions and the same numbers, however many processes share the prompts and however they are batched."""

import json

import pytest
from real_runs import SHORT, read_records
from training.forked_ranks import run_ranks

SAMPLED = [
    *SHORT,
    "training.max_steps=1",
    "evaluation.limit=24",
    "evaluation.samples=2",
    "evaluation.temperature=1",
    "evaluation.top_p=0.95",
]
# Prompts of many lengths, so that batches are padded: which rows share a batch depends on its size and the processes.
MIXED = [
    {"prompt": "What is " + "+".join(str(137 * i % 900 + 100) for i in range(k, k + 1 + k % 4)) + "?", "answer": "1"}
    for k in range(1, 21)
]


def evaluated(folder):
    """The evaluation before training: its metrics without times, and every completion."""
    run = folder / "run"
    metrics = next(r for r in read_records(run / "metrics.jsonl", "eval") if r["step"] == 0)
    steady = {k: v for k, v in metrics.items() if k != "time" and not k.endswith("/seconds")}
    return steady, [r for r in read_records(run / "completions" / "eval.jsonl") if r["step"] == 0]


@pytest.mark.slow
def test_evaluation_is_the_same_on_1_2_and_4_processes_and_in_batches_of_any_size(tmp_path):
    rows = tmp_path / "mixed.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in MIXED))
    assert len({len(row["prompt"]) for row in MIXED}) == 4
    sampled = [*SAMPLED, f"evaluation.datasets.mixed.path={rows}"]
    found = {}
    for world_size, batch in ((1, 64), (2, 7), (4, 16)):
        place = tmp_path / str(world_size)
        place.mkdir()
        words = [f"evaluation.batch_size={batch}", f"launch.num_processes={world_size}", "launch.kind=cpu"]
        assert run_ranks([*sampled, *words], place) == (0, "")
        found[world_size] = evaluated(place)
    metrics, completions = found[1]
    assert len(completions) == 2 * 24 + 2 * 20
    assert {r["dataset"] for r in completions} == {"held_out", "mixed"}
    assert 0 < metrics["eval/held_out/accuracy"] < metrics["eval/held_out/pass@2"] < 1
    assert metrics["eval/held_out/maj@2"] is not None
    # Two answers to one prompt differ: it is sampled.
    assert any(a["completion"] != b["completion"] for a, b in zip(completions[::2], completions[1::2], strict=True))
    assert found[2] == found[1]
    assert found[4] == found[1]
