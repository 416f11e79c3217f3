from pathlib import Path

from grpo_cli.runs import checkpoints, jsonl
from grpo_cli.runs.folder import RunFolder


def save(directory: Path, step: int, complete: bool = True) -> Path:
    checkpoint = directory / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(b"weights")
    if complete:
        checkpoints.mark_complete(checkpoint, world_size=1)
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


def test_roll_back_keeps_what_lies_up_to_the_step_and_moves_the_rest(tmp_path):
    folder = RunFolder(tmp_path)
    jsonl.append(folder.metrics, *({"kind": "train", "step": s} for s in (0, 10, 20, 30)))
    jsonl.append(folder.completions("train"), *({"step": s, "completion": "é"} for s in (19, 20, 21)))
    save(folder.checkpoints, 20)
    save(folder.checkpoints, 25, complete=False)
    checkpoints.roll_back(folder, 20, folder.checkpoints)
    assert [r["step"] for r in jsonl.read(folder.metrics)] == [0, 10, 20]
    assert [r["step"] for r in jsonl.read(folder.completions("train"))] == [19, 20]
    assert [r["step"] for r in jsonl.read(folder.logs / "superseded" / "metrics.jsonl")] == [30]
    assert [r["step"] for r in jsonl.read(folder.logs / "superseded" / "train.jsonl")] == [21]
    assert [p.name for p in folder.checkpoints.iterdir()] == ["checkpoint-20"]
