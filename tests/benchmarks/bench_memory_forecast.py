"""The memory forecast against the peak that a real run had, on the CPU, for three small architectures.

Prints forecast, measurement and error: `python -m pytest -m "" -s tests/benchmarks/bench_memory_forecast.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_runs import COMMAND, environment

from grpo_cli.assets import EMBEDDED_MODEL

pytestmark = pytest.mark.slow

MIB = 2**20
# What the forecast may be off by, of the measured peak.
ALLOWED = 0.15

QWEN3 = {"model_type": "qwen3", "hidden_size": 384, "num_hidden_layers": 8, "num_attention_heads": 8, "head_dim": 64,
         "num_key_value_heads": 2, "intermediate_size": 1024}  # fmt: skip
LLAMA = {"model_type": "llama", "hidden_size": 512, "num_hidden_layers": 6, "num_attention_heads": 8,
         "num_key_value_heads": 8, "intermediate_size": 1376, "tie_word_embeddings": False}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_embd": 384, "n_layer": 8, "n_head": 6, "n_positions": 512}
RUNS = {
    "qwen3": (QWEN3, ["training.gradient_checkpointing=false"]),
    "llama": (LLAMA, ["training.gradient_checkpointing=true", "training.beta=0.04"]),
    "gpt2": (GPT2, ["training.gradient_checkpointing=false", "model.attn_implementation=eager"]),
}
SHARED = [
    "display=plain",
    "launch=cpu",
    "dataset.generator_kwargs.num_train=64",
    "training.per_device_train_batch_size=16",
    "training.num_generations=8",
    "training.max_steps=2",
    "training.max_completion_length=160",
    "training.save_strategy=no",
    "evaluation.baseline=false",
    "evaluation.limit=2",
    "evaluation.every=null",
    "evaluation.batch_size=2",
    "evaluation.max_completion_length=8",
]


def make_model(folder: Path, shape: dict) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    shutil.copytree(EMBEDDED_MODEL, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    embedded = json.loads((EMBEDDED_MODEL / "config.json").read_text())
    shared = {"vocab_size": 16384, "eos_token_id": embedded["eos_token_id"], "pad_token_id": embedded["pad_token_id"]}
    kind = shape["model_type"]
    rest = {key: value for key, value in shape.items() if key != "model_type"}
    longest = {} if kind == "gpt2" else {"max_position_embeddings": 512}
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shared, **longest, **rest)).save_pretrained(folder)


def peak_of(command: list[str], folder: Path) -> int:
    """Peak resident bytes of the largest process below a command, run by itself so that nothing else counts."""
    measure = (
        "import resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, *command], cwd=folder, env=environment(), capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    kib, code = done.stdout.split()
    assert code == "0", done.stderr
    return int(kib) * 1024


@pytest.mark.parametrize("name", RUNS)
def test_forecast_is_near_the_measured_peak(tmp_path: Path, name: str) -> None:
    shape, extra = RUNS[name]
    make_model(tmp_path / "model", shape)
    overrides = ["model=./model", *SHARED, *extra]
    checked = subprocess.run(
        [sys.executable, "-m", "grpo_cli.commands.check", *overrides, "--json"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    memory = json.loads(checked.stdout)["memory"]
    measured = peak_of([*COMMAND, *overrides], tmp_path)
    error = memory["peak_bytes"] / measured - 1
    line = f"{name}: forecast {memory['peak_bytes'] / MIB:.0f} MiB, measured {measured / MIB:.0f} MiB, {error:+.0%}"
    print(f"\n{line}; {memory['peak_phase']}; {memory['parts']}")
    assert abs(error) < ALLOWED, line
