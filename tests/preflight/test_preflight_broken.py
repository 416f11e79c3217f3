"""Configurations that are broken, each found for the right reason, with fixes that work when they are pasted."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from grpo_cli.preflight.finding import ERROR, NOTE, WARNING, Finding
from grpo_cli.preflight.rules import light_findings
from grpo_cli.preflight.situation import Situation


@dataclass(frozen=True)
class Case:
    """Overrides, and what is to be found in them."""

    overrides: str
    code: str
    says: str
    severity: str = ERROR
    on: str = "cpu"
    facts: dict[str, Any] = field(default_factory=dict)


def only(*packages: str) -> dict[str, Any]:
    return {"installed": lambda package: package in packages}


LOGGED_IN = {**only("wandb"), "env": {"WANDB_API_KEY": "set", "HOME": "/nonexistent"}}
LITTLE_DISK = {"free_bytes": lambda path: 600 * 2**20}
VLLM = only("vllm", "kernels", "peft")
ALL = {"installed": lambda package: True, "env": {"HOME": "/nonexistent", "PATH": "/nonexistent"}}
CASES = [
    # batches against groups
    Case("training.num_generations=6", "batch.groups", "does not divide the generation batch of 64"),
    Case("training.num_generations=1", "configuration", "must be at least 2"),
    Case("training.learnin_rate=1e-5", "configuration", "did you mean training.learning_rate"),
    Case("training.generation_batch_size=100", "batch.groups", "not a multiple of the global batch of 64"),
    Case("training.generation_batch_size=128 training.steps_per_generation=2", "batch.said_twice", "same thing twice"),
    Case("launch.num_processes=3 training.per_device_train_batch_size=4", "batch.groups", "4 per device × 3 processes"),
    Case("training.eval_strategy=steps training.per_device_eval_batch_size=6", "batch.evaluation", "groups of 8"),
    # what the composer refuses by itself
    Case("training.reward_weights=[1,2]", "configuration", "has 2 weights for 1 rewards"),
    Case("training.bf16=true training.fp16=true", "configuration", "both true", on="a100"),
    Case("training.auto_find_batch_size=true", "configuration", "does not work with GRPO"),
    # data against batches
    Case("dataset.limit=4", "data.zero_steps", "would train 0 steps"),
    Case("dataset=few.jsonl", "data.zero_steps", "too few for one generation batch, which takes 8"),
    Case("dataset=rows.jsonl dataset.streaming=true training.max_steps=-1", "data.stream", "has no length"),
    # sampling
    Case("training.top_p=0.9", "sampling.filter", "samples from another distribution", WARNING),
    Case("training.top_k=50", "sampling.filter", "training.top_k=50", WARNING),
    Case("training.min_p=0.1", "sampling.filter", "training.min_p=0.1", WARNING),
    Case("training.repetition_penalty=1.1", "sampling.filter", "training.repetition_penalty=1.1", WARNING),
    Case("training.temperature=0.0", "configuration", "must be greater than 0"),
    Case("+training.generation_kwargs.do_sample=false", "sampling.greedy", "same completion over and over"),
    Case("training.max_completion_length=512", "sampling.context", "context of 512"),
    Case(
        "+training.generation_kwargs.temperature=0.7", "sampling.overridden", "overrides training.temperature", WARNING
    ),
    # losses
    Case("training.loss_type=luspo", "loss.luspo_level", "is not LUSPO", WARNING),
    Case("algorithm=vespo training.importance_sampling_level=sequence", "loss.vespo_level", "twice", WARNING),
    Case("training.importance_sampling_level=sequence", "loss.sequence_level", "by its length", WARNING),
    Case("training.sync_ref_model=true", "loss.sync_without_reference", "training.beta=0 has none"),
    Case("training.sync_ref_model=true training.beta=0.1 peft=lora", "loss.sync_with_adapter", "with an adapter"),
    Case("training.loss_type=cispo", "loss.cispo_bound", "0.2 by default", WARNING),
    Case("algorithm=two_sided training.delta=1.1", "loss.delta", "1 + epsilon = 1.2", WARNING),
    Case("algorithm=dapo training.epsilon_high=0.1", "loss.epsilon_order", "below training.epsilon=0.2", WARNING),
    Case("training.top_entropy_quantile=0.0", "loss.top_entropy", "no token at all"),
    # hardware, launch, vLLM
    Case("launch=cpu training.bf16=true", "hardware.needs_gpu", "on the CPU"),
    Case("launch=multi_gpu", "hardware.launch", "needs two GPUs or more", on="a100"),
    Case("launch.num_processes=8", "hardware.launch", "only 4 GPUs are visible", on="a100x4"),
    Case("training.bf16=true", "hardware.bf16", "does not compute in bfloat16", on="v100"),
    Case("training.tf32=true", "hardware.tf32", "Ampere"),
    Case("model.dtype=float16", "hardware.fp16_weights", "in float16"),
    Case("model.dtype=bfloat16", "hardware.bf16_weights", "in 16 bits", WARNING),
    Case("training.vllm_gpu_memory_utilization=0.5", "vllm.unused_keys", "does not use", WARNING),
    Case(
        "rollout=vllm_colocate training.vllm_tensor_parallel_size=3",
        "vllm.tensor_parallel",
        "does not divide the 4 processes",
        on="a100x4",
        facts=VLLM,
    ),
    Case(
        "rollout=vllm_colocate training.vllm_gpu_memory_utilization=0.9",
        "vllm.memory_share",
        "leaves 10% of the GPU",
        WARNING,
        "a100",
        VLLM,
    ),
    Case(
        "rollout=vllm_colocate training.vllm_max_model_length=64", "vllm.model_length", "no room", on="a100", facts=VLLM
    ),
    Case(
        "rollout=vllm_colocate algorithm=vespo training.vllm_importance_sampling_mode=sequence_mask",
        "vllm.vespo_mode",
        "does not go with",
        on="a100",
        facts=VLLM,
    ),
    Case("training.vllm_importance_sampling_clip_min=5", "vllm.correction_bounds", "must be less than"),
    # packages
    Case("rollout=vllm_colocate", "packages.missing", "needs the package vllm", on="a100", facts=only("peft")),
    Case("training.optim=adamw_8bit", "packages.missing", "pip install bitsandbytes", facts=only("peft")),
    Case("tracker=wandb", "packages.missing", "needs the package wandb", facts=only()),
    Case("training.report_to=wandbb", "packages.tracker_name", "did you mean 'wandb'", facts=LOGGED_IN),
    # trackers
    Case("tracker=wandb", "tracker.login", "WANDB_API_KEY is not set", WARNING, facts=only("wandb")),
    Case("training.push_to_hub=true", "tracker.hub_login", "HF_TOKEN is not set", WARNING),
    # learning rate and length
    Case("training.learning_rate=0.0", "schedule.no_rate", "trains nothing"),
    Case("training.learning_rate=0.5", "schedule.high_rate", "beyond what any model withstands", WARNING),
    Case(
        "training.gradient_checkpointing_kwargs={use_reentrant: false}", "schedule.checkpointing_kwargs", "set", WARNING
    ),
    # evaluation
    Case("objective=rewrd", "evaluation.objective", "did you mean 'reward'"),
    Case("'objective=[auto,rewrd]'", "evaluation.objective", "did you mean 'reward'"),
    Case("'objective=[auto,auto]'", "evaluation.objectives", "twice"),
    Case("'direction=[minimize,minimize]'", "evaluation.objectives", "2 entries for one objective"),
    Case("training.load_best_model_at_end=true", "evaluation.best_without_evaluation", "makes none"),
    Case(
        "training.eval_strategy=steps training.eval_steps=30 training.save_steps=100 "
        "training.load_best_model_at_end=true training.metric_for_best_model=reward",
        "evaluation.best_steps",
        "not a multiple of training.eval_steps=30",
    ),
    Case(
        "training.eval_strategy=steps training.eval_steps=50 training.metric_for_best_model=rewards/exact_mach/mean",
        "evaluation.metric_for_best_model",
        "will not measure eval_rewards/exact_mach/mean",
    ),
    Case("dataset=rows.jsonl dataset.test_size=0", "evaluation.not_measured", "there are none", WARNING),
    Case("training.lr_scheduler_type=reduce_lr_on_plateau", "evaluation.scheduler", "makes none"),
    # adapters, memory, disk
    Case("peft=lora 'peft.target_modules=[q_proj,lm_head]'", "memory.adapter_on_head", "names lm_head"),
    Case("model=./big launch=single_gpu", "memory.forecast", "a Tesla V100-SXM2-16GB has", WARNING, "v100"),
    Case("model=./small", "files.disk_space", "are free and the run will write", facts=LITTLE_DISK),
    # sharding, several machines, Slurm
    Case("launch=fsdp2 peft=qlora", "sharding.qlora", "cannot be sharded", on="a100x4", facts=ALL),
    Case(
        "launch=fsdp2 launch.fsdp.activation_checkpointing=true training.gradient_checkpointing=true",
        "sharding.checkpointing",
        "are both true",
        on="a100x4",
        facts=ALL,
    ),
    Case(
        "launch=fsdp2 rollout=continuous_batching", "sharding.continuous_batching", "in place", on="a100x4", facts=ALL
    ),
    Case("launch=deepspeed_zero2", "packages.missing", "needs the package deepspeed", on="a100x4", facts=only("peft")),
    Case(
        "model=./big launch=deepspeed_zero2 launch.deepspeed.offload_optimizer_device=cpu",
        "memory.host",
        "by 4 processes, and it has 16 GiB",
        WARNING,
        "a100x4_small_host",
        ALL,
    ),
    Case("launch=slurm", "slurm.sbatch", "is not on the PATH", on="a100x4", facts=ALL),
    # resuming, files
    Case("resume=./nothing", "resume.nothing", "holds no result.json"),
    Case("model.chat_template=mine.jinja", "files.model", "there is no file mine.jinja"),
]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "few.jsonl").write_text('{"prompt": "a", "answer": "1"}\n{"prompt": "b", "answer": "1"}\n')
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"prompt": "{i}", "answer": "1"}}\n' for i in range(40)))
    for name, layers, hidden in (("big", 28, 2048), ("small", 12, 256)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(
            f'{{"model_type": "qwen3", "hidden_size": {hidden}, "num_hidden_layers": {layers}, "head_dim": 128, '
            '"num_attention_heads": 16, "num_key_value_heads": 8, "intermediate_size": 6144, "vocab_size": 151936, '
            '"tie_word_embeddings": true, "max_position_embeddings": 40960}'
        )
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "overrides.yaml").write_text("[]\n")
    return tmp_path


def test_there_are_forty_kinds() -> None:
    assert len(CASES) >= 40 and len({case.code for case in CASES}) >= 40


@pytest.mark.parametrize("case", CASES, ids=[f"{case.code}-{case.overrides.split('=')[0]}" for case in CASES])
def test_found_with_the_right_reason_and_a_fix_that_passes(
    case: Case, files: Path, situate: Callable[..., Situation], findings: Callable, pasted: Callable
) -> None:
    overrides = [case.overrides] if "{" in case.overrides else shlex.split(case.overrides)
    (found,) = serious(findings(*overrides, on=case.on, **case.facts))
    assert (found.code, found.severity) == (case.code, case.severity)
    assert case.says in found.what, found.what
    assert found.why
    if case.code == "files.model":
        return  # a file of the user's own is all that helps
    assert found.fixes
    refused = case.code == "configuration"
    if refused:  # a misspelled key goes, whatever replaces it
        overrides = [one for one in overrides if one.partition("=")[0] != found.key]
    for number, fix in enumerate(found.fixes):
        changed = situate(*overrides, on=case.on, **case.facts).changed(fix) if number and not refused else None
        # The first is pasted for real, and so is every one that does more than set keys.
        after = light_findings(changed) if changed else findings(*pasted(overrides, fix), on=case.on, **case.facts)
        # What is left may only be that a package of the fix is to be installed.
        left = [one for one in serious(after) if one.install is None or one.code == case.code]
        assert left == [], (fix, [one.sentence for one in left])


def serious(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity != NOTE]
