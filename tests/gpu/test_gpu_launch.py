"""What only a GPU can show of launching: whole runs under each profile. Without one they are skipped, saying so.

Run them with: python -m pytest -m slow tests/gpu
"""

import importlib.util
import json
from pathlib import Path

import pytest
from real_runs import SHORT, read_records

from grpo_cli.launch.hardware import detect

GPUS = len(detect().usable_gpus)
ONE = pytest.mark.skipif(GPUS < 1, reason="needs a GPU that the installed torch can use; none is visible")
TWO = pytest.mark.skipif(GPUS < 2, reason=f"needs two GPUs that the installed torch can use; {GPUS} visible")
DEEPSPEED = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="needs DeepSpeed: pip install deepspeed"
)
pytestmark = pytest.mark.slow

# Nine held-out prompts in batches of two: on two ranks one of them generates once more than the other.
UNEVEN = ["evaluation.limit=9", "evaluation.batch_size=2", "training.max_steps=3", "training.save_steps=2"]
RUN = [*SHORT, *UNEVEN, "training.per_device_train_batch_size=8", "hydra.run.dir=run"]


def trained(cli, folder: Path, *options: str) -> dict:
    """Train, check what every run must leave behind, resume from its checkpoint; returns provenance.json."""
    done = cli(*RUN, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    run = folder / "run"
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["device"].startswith("cuda")
    assert len(read_records(run / "completions" / "eval.jsonl")) == 2 * 9
    _load(run / "model")

    again = cli(*RUN, *options, f"resume={run / 'checkpoints' / 'checkpoint-2'}")
    assert again.returncode == 0, again.stdout + again.stderr
    _load(run / "model")
    return provenance


def _load(model: Path) -> None:
    from transformers import AutoModelForCausalLM

    loaded, info = AutoModelForCausalLM.from_pretrained(model, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert sum(p.numel() for p in loaded.parameters()) == 125_568


@ONE
def test_single_gpu(tmp_path, cli):
    assert trained(cli, tmp_path, "launch=single_gpu")["world_size"] == 1


@ONE
@DEEPSPEED
@pytest.mark.parametrize("profile", ["deepspeed_zero2", "deepspeed_zero3"])
def test_one_gpu_offloads_to_the_cpu(tmp_path, cli, profile):
    offload = ["launch.kind=single_gpu", "launch.deepspeed.offload_optimizer_device=cpu"]
    if profile.endswith("3"):
        offload.append("launch.deepspeed.offload_param_device=cpu")
    assert trained(cli, tmp_path, f"launch={profile}", *offload)["world_size"] == 1


@TWO
def test_multi_gpu(tmp_path, cli):
    assert trained(cli, tmp_path, "launch=multi_gpu", "launch.num_processes=2")["world_size"] == 2


@TWO
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("training.beta=0.04",),
        ("peft=lora",),
        ("launch.fsdp.offload_params=true",),
        ("launch.fsdp.cpu_ram_efficient_loading=true", "launch.fsdp.state_dict_type=SHARDED_STATE_DICT"),
        ("launch.fsdp.activation_checkpointing=true", "training.gradient_checkpointing=false"),
    ],
    ids=lambda options: " ".join(options) or "default",
)
def test_fsdp2(tmp_path, cli, options):
    assert trained(cli, tmp_path, "launch=fsdp2", "launch.num_processes=2", *options)["world_size"] == 2


@TWO
@DEEPSPEED
@pytest.mark.parametrize("profile", ["deepspeed_zero1", "deepspeed_zero2", "deepspeed_zero3"])
@pytest.mark.parametrize("options", [(), ("peft=lora",), ("training.beta=0.04",)], ids=" ".join)
def test_deepspeed(tmp_path, cli, profile, options):
    assert trained(cli, tmp_path, f"launch={profile}", "launch.num_processes=2", *options)["world_size"] == 2
