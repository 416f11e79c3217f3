from pathlib import Path

from grpo_cli.runs import checkpoints, jsonl
from grpo_cli.runs.folder import RunFolder


def save(directory: Path, step: int, complete: bool = True) -> Path:
    checkpoint = directory / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(b"weights")
    if complete:
        checkpoints.mark_complete(checkpoint, 1, RunFolder(directory.parent))
    return checkpoint


def test_latest_checkpoint_goes_by_step_not_by_name(tmp_path):
    save(tmp_path, 9)
    newest = save(tmp_path, 10)
    assert checkpoints.latest_checkpoint(tmp_path) == newest


def test_a_checkpoint_cut_short_is_passed_over(tmp_path):
    whole = save(tmp_path, 10)
    save(tmp_path, 20, complete=False)
    damaged = save(tmp_path, 30)
    (damaged / "model.safetensors").write_bytes(b"wei")
    assert checkpoints.latest_checkpoint(tmp_path) == whole


def test_no_checkpoint_gives_none(tmp_path):
    assert checkpoints.latest_checkpoint(tmp_path / "missing") is None


def test_roll_back_goes_back_to_the_moment_of_the_checkpoint(tmp_path):
    folder = RunFolder(tmp_path)
    jsonl.append(folder.metrics, *({"kind": "train", "step": s} for s in (0, 10, 20)))
    jsonl.append(folder.completions("train"), *({"step": s, "completion": "é\u2028"} for s in (19, 20)))
    other_node = RunFolder(tmp_path, node=1)
    jsonl.append(folder.reward_failures, {"step": 19, "reward": "mine"})
    checkpoint = save(folder.checkpoints, 20)
    for failed in (folder, other_node):
        jsonl.append(failed.reward_failures, {"step": 20, "reward": "mine"})
    # The evaluation after the last step is of that step too, and will be done again.
    jsonl.append(folder.metrics, {"kind": "eval", "step": 20}, {"kind": "train", "step": 30})
    jsonl.append(folder.completions("train"), {"step": 21, "completion": "é\u2028"})
    jsonl.append(folder.completions("eval"), {"step": 20})
    with folder.metrics.open("a") as torn:
        torn.write('{"kind": "tra')
    save(folder.checkpoints, 25, complete=False)
    save(folder.checkpoints, 30)
    checkpoints.roll_back(folder, checkpoint)
    assert [r["step"] for r in jsonl.read(folder.metrics)] == [0, 10, 20]
    assert [r["step"] for r in jsonl.read(folder.completions("train"))] == [19, 20]
    assert folder.completions("eval").read_text() == ""
    assert [r["step"] for r in jsonl.read(folder.reward_failures)] == [19]
    assert list(jsonl.read(other_node.reward_failures)) == []
    superseded = folder.logs / "superseded"
    names = ("reward_failures.jsonl", "reward_failures.node1.jsonl")
    assert [[r["step"] for r in jsonl.read(superseded / name)] for name in names] == [[20], [20]]
    assert [(r["kind"], r["step"]) for r in jsonl.read(superseded / "metrics.jsonl")] == [("eval", 20), ("train", 30)]
    assert [r["step"] for r in jsonl.read(superseded / "train.jsonl")] == [21]
    assert [p.name for p in folder.checkpoints.iterdir()] == ["checkpoint-20"]
