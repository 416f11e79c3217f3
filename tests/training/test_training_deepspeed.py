"""Runs under DeepSpeed's ZeRO, on two CPU ranks: the same code as on GPUs, but for the kernels."""

import pytest
from forked_ranks import run_ranks
from real_runs import SHORT, read_records
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

pytest.importorskip("deepspeed", reason="needs DeepSpeed: pip install deepspeed")
pytestmark = pytest.mark.slow

STEPS = [*SHORT, "evaluation.limit=9", "evaluation.batch_size=2", "evaluation.every=2", "training.max_steps=3"]
STEPS += ["training.save_steps=2", "training.learning_rate=1e-3", "training.per_device_train_batch_size=8"]
STEPS += ["training.warmup_steps=0", "launch.num_processes=2", "launch.kind=cpu"]


@pytest.mark.parametrize("profile", ["deepspeed_zero2", "deepspeed_zero3"])
def test_zero_trains_what_ddp_trains_and_resumes(tmp_path, profile):
    for name, options in (("ddp", []), ("zero", [f"launch={profile}"])):
        (tmp_path / name).mkdir()
        code, said = run_ranks([*STEPS, *options], tmp_path / name)
        assert code == 0, said
    runs = [tmp_path / name / "run" for name in ("ddp", "zero")]
    first = [load_file(run / "model" / "model.safetensors") for run in runs]
    assert first[0].keys() == first[1].keys()
    assert max((first[0][name] - first[1][name]).abs().max().item() for name in first[0]) < 1e-4
    assert len(read_records(runs[1] / "completions" / "eval.jsonl")) == 3 * 9
    _, info = AutoModelForCausalLM.from_pretrained(runs[1] / "model", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]

    checkpoint = runs[1] / "checkpoints" / "checkpoint-2"
    assert (checkpoint / "global_step2").is_dir()  # DeepSpeed's own
    code, said = run_ranks([*STEPS, f"launch={profile}", f"resume={checkpoint}"], tmp_path / "zero")
    assert code == 0, said
    again = load_file(runs[1] / "model" / "model.safetensors")
    assert max((first[1][name] - again[name]).abs().max().item() for name in again) < 1e-6


def test_an_adapter_is_merged_under_zero3(tmp_path):
    code, said = run_ranks([*STEPS, "launch=deepspeed_zero3", "peft=lora", "training.max_steps=1"], tmp_path)
    assert code == 0, said
    _, info = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
