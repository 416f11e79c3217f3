"""Two runs beside each other: equal ones, one in which a number differs, and what they were made of."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from grpo_cli.runs.compare import compare_results, print_differences
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import append, write_json


def write_run(root, *, loss=0.5, text="845", weight=1.0, clock=1.0, steps=3, version="1.0"):
    folder = RunFolder(root)
    folder.model.mkdir(parents=True)
    folder.config.write_text("name: x\nseed: 42\ntraining: {learning_rate: 1e-3}\npaths: {output_dir: outputs}\n")
    evaluation = {"eval/held_out/accuracy": 0.1, "eval/seconds": clock}
    append(folder.metrics, {"kind": "eval", "step": 0, "time": clock, **evaluation})
    for step in range(1, steps + 1):
        values = {"loss": loss if step == 2 else 0.5, "reward": 0.25, "rewards/a/mean": 0.25, "rewards/a/ms": clock}
        values |= {"time": clock, "step_time": clock, "kl": "nan"}
        append(folder.metrics, {"kind": "train", "step": step, **values})
        append(folder.completions("train"), {"step": step, "group": 0, "prompt": "1+1", "completion": text})
    save_file({"w": torch.tensor([weight, 2.0])}, folder.model / "model.safetensors")
    write_json(folder.provenance, {"packages": {"trl": version}, "data": {"train": {"fingerprint": "f", "rows": 4}}})
    write_json(folder.result, {"status": "completed", "step": steps, "objective": {"name": "reward", "value": 0.25}})
    return folder


def parts(a, b):
    return {c.what: c for c in compare_results(a, b)}


def test_equal_runs_are_identical_whatever_the_clock_said(tmp_path, capsys):
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", clock=7.0)
    found = parts(a, b)
    same = {what for what, comparison in found.items() if comparison.identical}
    assert same == {"losses", "rewards", "evaluations", "completions", "weights"}
    assert found["other metrics"].identical is None
    assert (found["losses"].compared, found["weights"].compared) == (6, 2)
    assert print_differences(a.root, b.root) == 0
    assert "are the same" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, what, step, difference",
    [
        ({"loss": 0.75}, "losses", 2, 0.25),
        ({"text": "846"}, "completions", 1, None),
        ({"weight": 1.5}, "weights", None, 0.5),
        ({"steps": 4}, "losses", 4, None),
    ],
)
def test_what_differs_is_named_with_its_step_and_size(tmp_path, change, what, step, difference):
    comparison = parts(write_run(tmp_path / "a"), write_run(tmp_path / "b", **change))[what]
    assert comparison.identical is False
    assert (comparison.first_step, comparison.difference) == (step, difference)
    assert "NOT identical" in comparison.sentence
    assert json.dumps(comparison.as_dict())


def test_a_run_without_a_model_is_compared_in_the_rest(tmp_path):
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    shutil.rmtree(b.model)
    weights = parts(a, b)["weights"]
    assert weights.identical is None and f"{b.root} has no model/" in weights.sentence


def test_what_runs_were_made_of_is_printed_before_what_came_out(tmp_path, capsys):
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", loss=0.75, version="1.1")
    b.config.write_text(
        b.config.read_text().replace("seed: 42", "seed: 43\nresume_from: null\nevaluation: {every: null, datasets: {}}")
    )
    a.config.write_text(a.config.read_text() + "\nevaluation: {every: 0.1}\n")
    data = {"data": {"train": {"fingerprint": "g", "rows": 4}}}
    write_json(b.provenance, json.loads(b.provenance.read_text()) | data)
    assert print_differences(a.root, b.root) == 1
    out = capsys.readouterr().out
    made_of = ["configuration", "  evaluation.every: 0.1 → null", "  seed: 42 → 43", "versions", "  trl: 1.0 → 1.1"]
    made_of += ["data", "  train rows: f (4 rows) → g (4 rows)", "results"]
    assert out.splitlines()[: len(made_of)] == made_of
    assert "losses: NOT identical, first at step 2 (loss: 0.5 and 0.75), at most by 0.25" in out
