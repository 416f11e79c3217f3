"""Adapters: resumed as if never stopped (LoRA counted once), kept or merged at the end, with a reference model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from forked_ranks import run_ranks
from peft import AutoPeftModelForCausalLM
from real_runs import SHORT, read_records
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from grpo_cli.assets import EMBEDDED_MODEL

pytestmark = pytest.mark.slow

# Steps large enough that an adapter counted twice, or not at all, changes every completion after it.
COMMON = [*SHORT, "training.save_steps=2", "training.learning_rate=3e-3", "training.warmup_steps=0", "peft.r=4"]
TIMES = {"time", "step_time"}


def logits(path: Path, loader: type = AutoModelForCausalLM) -> torch.Tensor:
    """What a saved model makes of some tokens, loaded as any user would load it."""
    model = loader.from_pretrained(path).eval()
    with torch.no_grad():
        return model(torch.arange(5, 45)[None]).logits


def steady(folder: Path, after: int) -> list[dict]:
    """The training records after a step, without what is measured in seconds."""
    records = [r for r in read_records(folder / "metrics.jsonl", "train") if r["step"] > after]
    return [{k: v for k, v in r.items() if k not in TIMES and not k.endswith("/ms")} for r in records]


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        (["peft=lora", "peft.merge=false", "training.beta=0.04", "peft.lora_dropout=0.1"], "adapter"),
        (["peft=dora", "peft.target_modules=[q_proj,down_proj]"], "merged weights"),
    ],
    ids=["lora", "dora"],
)
def test_a_resumed_adapter_equals_a_straight_one(tmp_path, settings, holds):
    words = [*COMMON, *settings]
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    for folder in (straight, resumed):
        folder.mkdir()
    assert run_ranks(words, straight) == (0, "")
    middle = resumed / "run" / "checkpoints" / "checkpoint-2"
    shutil.copytree(straight / "run" / "checkpoints" / "checkpoint-2", middle)
    shutil.copy(straight / "run" / "config.yaml", resumed / "run")
    assert run_ranks([*words, f"resume={middle}"], resumed) == (0, "")

    one, other = straight / "run", resumed / "run"
    assert steady(one, 2) == steady(other, 2) != []
    late = [r for r in read_records(one / "completions" / "train.jsonl") if r["step"] > 2]
    assert late == read_records(other / "completions" / "train.jsonl")
    for folder in ("checkpoints/checkpoint-4", "model"):
        name = "adapter_model.safetensors" if folder != "model" or holds == "adapter" else "model.safetensors"
        first, second = (load_file(run / folder / name) for run in (one, other))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), folder

    result = json.loads((one / "result.json").read_text())
    assert (result["model"], result["model_holds"]) == ("model", holds)
    assert (one / "model" / "adapter_config.json").exists() == (holds == "adapter")
    # Kept or merged, model/ is the policy that was trained: the base model with the last adapter, counted once.
    trained = logits(one / "checkpoints" / "checkpoint-4", AutoPeftModelForCausalLM)
    base = logits(EMBEDDED_MODEL)
    assert torch.allclose(logits(one / "model"), trained, atol=1e-4)
    assert not torch.allclose(base, trained, atol=1e-2), "it learned, so the comparison above means something"
    if "training.beta=0.04" in settings:
        # The reference is the model without its adapter: no difference at first, one as it learns.
        kl = [r["kl"] for r in read_records(one / "metrics.jsonl", "train")]
        assert kl[0] == pytest.approx(0, abs=1e-6) and kl[-1] > 1e-4
