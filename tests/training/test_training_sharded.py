"""Runs over several ranks, really sharded: FSDP2 over gloo on the CPU, and plain DDP to hold it against."""

from pathlib import Path

import pytest
import torch
import yaml
from forked_ranks import run_ranks
from real_runs import SHORT, read_records
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

pytestmark = pytest.mark.slow

# Nine prompts in batches of two: rank 0 generates three times, rank 1 twice.
UNEVEN = ["evaluation.limit=9", "evaluation.batch_size=2", "evaluation.every=2"]
STEPS = [*SHORT, *UNEVEN, "training.max_steps=3", "training.save_steps=2", "training.learning_rate=1e-3", "launch=cpu"]
STEPS += ["training.warmup_steps=0", "training.per_device_train_batch_size=8"]
FSDP2 = [*STEPS, "launch.sharding=fsdp2", "launch.num_processes=2"]


def run(folder: Path, *arguments: str) -> Path:
    """Train in a folder; returns the run's folder."""
    folder.mkdir(exist_ok=True)
    code, said = run_ranks(arguments, folder)
    assert code == 0, said
    return folder / "run"


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def differ(one: Path, other: Path) -> float:
    """The greatest difference between two models' weights."""
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    return max((a[name] - b[name]).abs().max().item() for name in a)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> Path:
    return run(tmp_path_factory.mktemp("fsdp2"), *FSDP2)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return run(tmp_path_factory.mktemp("ddp"), *STEPS, "launch.num_processes=2")


def test_fsdp2_trains_what_ddp_trains(sharded, plain):
    # Written by accelerate's FSDP plugin only: the run was not DDP under another name.
    assert (sharded / "checkpoints" / "checkpoint-2" / "pytorch_model_fsdp.bin").exists()
    losses = [[r["loss"] for r in read_records(folder / "metrics.jsonl", "train")] for folder in (sharded, plain)]
    assert len(losses[0]) == 3
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert differ(sharded, plain) < 1e-5


def test_fsdp2_evaluates_held_out_prompts_of_uneven_shares(sharded, plain):
    evaluations = [read_records(folder / "metrics.jsonl", "eval") for folder in (sharded, plain)]
    assert [r["step"] for r in evaluations[0]] == [0, 2, 3]
    texts = [[r["completion"] for r in read_records(f / "completions" / "eval.jsonl")] for f in (sharded, plain)]
    assert len(texts[0]) == 3 * 9
    assert texts[0] == texts[1]


def test_fsdp2_leaves_a_model_and_checkpoints_that_transformers_loads(sharded):
    for folder in (sharded / "model", sharded / "checkpoints" / "checkpoint-2"):
        model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
        assert not info["missing_keys"] and not info["mismatched_keys"]
    assert sum(p.numel() for p in model.parameters()) == 125_568
    assert not {"lm_head.weight"} & weights(sharded).keys()  # tied, as in the model it began from


def test_fsdp2_resumes_exactly(sharded, tmp_path):
    checkpoint = sharded / "checkpoints" / "checkpoint-2"
    before = {**weights(sharded)}
    again = run(sharded.parent, *FSDP2, f"resume={checkpoint}")
    assert (again / "logs" / "worker.log").read_text().count("train_runtime") == 2
    after = weights(again)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_adapter_is_merged_and_checkpoints_may_be_sharded(tmp_path):
    options = ["peft=lora", "launch.fsdp.state_dict_type=SHARDED_STATE_DICT", "training.max_steps=2"]
    done = run(tmp_path, *FSDP2, *options, "training.beta=0.04")
    assert (done / "checkpoints" / "checkpoint-2" / "pytorch_model_fsdp_0").is_dir()
    _, info = AutoModelForCausalLM.from_pretrained(done / "model", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert not list((done / "model").glob("adapter*"))


def test_one_process_loads_and_the_layers_recompute(tmp_path, plain):
    options = ["launch.fsdp.cpu_ram_efficient_loading=true", "launch.fsdp.activation_checkpointing=true"]
    options += ["training.gradient_checkpointing=false", "launch.fsdp.reshard_after_forward=false"]
    done = run(tmp_path, *FSDP2, *options, "training.max_steps=1")
    # The baseline, measured by both ranks: the one that loaded nothing has got its weights.
    texts = [[r["completion"] for r in read_records(f / "completions" / "eval.jsonl")[:9]] for f in (done, plain)]
    assert texts[0] == texts[1]


def test_four_ranks_train_and_share_the_evaluation(tmp_path):
    done = run(tmp_path, *STEPS, "launch.num_processes=4", "training.per_device_train_batch_size=4")
    records = read_records(done / "completions" / "eval.jsonl")
    assert len(records) == 3 * 9
    assert (done / "model" / "model.safetensors").exists()


def test_a_config_file_of_ones_own_is_launched(tmp_path, cli):
    fsdp = {"fsdp_version": 2, "fsdp_auto_wrap_policy": "NO_WRAP", "fsdp_state_dict_type": "FULL_STATE_DICT"}
    own = {"distributed_type": "FSDP", "num_processes": 2, "use_cpu": True, "fsdp_config": fsdp}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(own))
    options = ["launch.accelerate_config=mine.yaml", "training.max_steps=1", "evaluation.limit=4", "resume=never"]
    done = cli(*SHORT, "training.per_device_train_batch_size=8", *options, "hydra.run.dir=run")
    assert done.returncode == 0, done.stdout + done.stderr
    copied = yaml.safe_load((tmp_path / "run" / "launch" / "accelerate.yaml").read_text())
    assert copied["fsdp_config"] == fsdp
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-1" / "pytorch_model_fsdp.bin").exists()
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()
