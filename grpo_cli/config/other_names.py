"""Names that keys have elsewhere: in older releases, on TRL's own command line, in other trainers.

Recipes found on the web are full of them. The tables are matched on a key's name, whatever section it was written in; a
test keeps them free of names that the installed TRL knows.
"""

from __future__ import annotations

from grpo_cli.config.schema import sections
from grpo_cli.config.suggest import nearest

_V5 = "transformers 5 removed it"

# What TRL or transformers removed or renamed: name → (who and when, what to write now).
REMOVED: dict[str, tuple[str, str]] = {
    # TRL
    "max_prompt_length": (
        "TRL 0.28 removed it and no longer truncates prompts",
        "write dataset.max_prompt_tokens, which drops prompts that are longer",
    ),
    "use_liger_loss": ("TRL 0.28 removed it", "write training.use_liger_kernel=true"),
    "vllm_guided_decoding_regex": ("TRL 0.28 renamed it", "write training.vllm_structured_outputs_regex"),
    "wandb_log_unique_prompts": ("TRL 0.27 renamed it", "write training.log_unique_prompts"),
    "token_entropy_percentile_threshold": (
        "TRL 0.20 replaced it",
        "write training.top_entropy_quantile (1 minus the old value)",
    ),
    "vllm_device": (
        "TRL 0.18 removed it",
        "write rollout=vllm_colocate (vLLM on the training GPUs) or rollout=vllm_server (vLLM on its own)",
    ),
    "vllm_dtype": ("TRL 0.18 removed it", "leave it out: a colocated vLLM takes the dtype of the model"),
    "vllm_max_model_len": ("TRL 0.18 removed it", "write training.vllm_max_model_length"),
    "vllm_enable_prefix_caching": ("TRL 0.18 removed it", "leave it out: prefix caching is on"),
    "reward_scale": ("it never was a key of GRPOConfig", "write training.scale_rewards=group, batch or none"),
    "torch_dtype": ("transformers 5 renamed it", "write model.dtype"),
    # transformers
    "warmup_ratio": (_V5, "write training.warmup_steps: a value below 1 is a share of all steps"),
    "overwrite_output_dir": (_V5, "leave it out: every run gets a folder of its own; see also resume=never"),
    "evaluation_strategy": (
        "transformers renamed it",
        "write training.eval_strategy, or evaluation.every=<steps>",
    ),
    "no_cuda": (_V5, "write training.use_cpu=true, or launch=cpu"),
    "logging_dir": (_V5, "leave it out, or set TENSORBOARD_LOGGING_DIR in the environment"),
    "tokenizer": ("Trainer takes processing_class now", "write model.tokenizer"),
    "processing_class": ("it is an argument of the trainer, not a setting", "write model.tokenizer"),
    "fp16_backend": (_V5, "leave it out: mixed precision is PyTorch's own"),
    "half_precision_backend": (_V5, "leave it out: mixed precision is PyTorch's own"),
    "fp16_opt_level": (_V5, "leave it out: mixed precision is PyTorch's own"),
    "use_mps_device": (_V5, "leave it out: MPS is used where it is found"),
    "per_gpu_train_batch_size": (_V5, "write training.per_device_train_batch_size"),
    "per_gpu_eval_batch_size": (_V5, "write training.per_device_eval_batch_size"),
    "push_to_hub_token": (_V5, "write training.hub_token='${oc.env:HF_TOKEN}'"),
    "push_to_hub_model_id": (_V5, "write training.hub_model_id"),
    "push_to_hub_organization": (_V5, "write training.hub_model_id=<organization>/<name>"),
    "include_inputs_for_metrics": (_V5, "write training.include_for_metrics='[inputs]'"),
    "include_tokens_per_second": (_V5, "write training.include_num_input_tokens_seen=all"),
    "fsdp_min_num_params": (_V5, "write training.fsdp_config='{min_num_params: …}'"),
    "fsdp_transformer_layer_cls_to_wrap": (
        _V5,
        "write training.fsdp_config='{transformer_layer_cls_to_wrap: …}'",
    ),
    "group_by_length": (_V5, "write training.train_sampling_strategy=group_by_length"),
    "save_safetensors": (_V5, "leave it out: checkpoints always are safetensors"),
    "adafactor": (_V5, "write training.optim=adafactor"),
    "jit_mode_eval": (_V5, "write training.torch_compile=true"),
    "torchdynamo": (_V5, "write training.torch_compile_backend"),
    "use_ipex": (_V5, "leave it out"),
    "tpu_num_cores": (_V5, "set TPU_NUM_CORES in the environment"),
    "tpu_metrics_debug": (_V5, "write training.debug=tpu_metrics_debug"),
    "ray_scope": (_V5, "set RAY_SCOPE in the environment"),
    "past_index": (_V5, "leave it out"),
    "mp_parameters": (_V5, "leave it out"),
    "use_legacy_prediction_loop": (_V5, "leave it out"),
    "dispatch_batches": (
        "transformers moved it",
        "write training.accelerator_config='{dispatch_batches: …}'",
    ),
    "split_batches": ("transformers moved it", "write training.accelerator_config='{split_batches: …}'"),
}

# What TRL's own command line (ModelConfig, ScriptArguments) spells otherwise: name → what to write here.
TRL_CLI: dict[str, str] = {
    "model_name_or_path": "model=<hub id or folder>",
    "model_name": "model=<hub id or folder>",
    "model_revision": "model.revision",
    "use_peft": "peft=lora",
    "lora_r": "peft.r",
    "lora_target_modules": "peft.target_modules",
    "lora_modules_to_save": "peft.modules_to_save",
    "lora_task_type": "peft=lora (the task is always causal language modelling)",
    "load_in_4bit": "peft=qlora",
    "load_in_8bit": "peft=qlora peft.bits=8",
    "bnb_4bit_quant_type": "peft.quant_type",
    "use_bnb_nested_quant": "peft.double_quant",
    "dataset_name": "dataset=<hub id, folder or file>",
    "reward_funcs": "reward=[<name>,…], and for your own function reward.<name>.target=my_rewards.py:<function>",
    "reward_model_name_or_path": "a reward that runs a reward model (grpo-train --help lists the rewards)",
    "system_prompt": "dataset.system_prompt",
}

# Fields of GRPOConfig that this program sets itself: name → (why, where to write it).
SET_ELSEWHERE: dict[str, tuple[str, str]] = {
    "output_dir": (
        "checkpoints go into the run folder",
        "write hydra.run.dir=<folder>, paths.output_dir=<folder> or name=<name>",
    ),
    "resume_from_checkpoint": (
        "resuming is the whole run's business",
        "write resume=<run folder or checkpoint>",
    ),
    "local_rank": (
        "the launcher numbers the processes",
        "leave it out; launch.num_processes sets how many run",
    ),
}

# Words other trainers (verl, OpenRLHF, NeMo-RL, PEFT, …) use for the same thing; spelling alone would not find them.
ALIASES: dict[str, str] = {
    "lr": "training.learning_rate",
    "actor_learning_rate": "training.learning_rate",
    "epochs": "training.num_train_epochs",
    "num_epochs": "training.num_train_epochs",
    "steps": "training.max_steps",
    "train_steps": "training.max_steps",
    "total_steps": "training.max_steps",
    "batch_size": "training.per_device_train_batch_size",
    "train_batch_size": "training.per_device_train_batch_size",
    "micro_batch_size": "training.per_device_train_batch_size",
    "grad_accum": "training.gradient_accumulation_steps",
    "accumulation": "training.gradient_accumulation_steps",
    "group_size": "training.num_generations",
    "num_rollouts": "training.num_generations",
    "n_samples_per_prompt": "training.num_generations",
    "num_return_sequences": "training.num_generations",
    "max_new_tokens": "training.max_completion_length",
    "max_tokens": "training.max_completion_length",
    "max_response_length": "training.max_completion_length",
    "response_length": "training.max_completion_length",
    "generate_max_len": "training.max_completion_length",
    "kl_coef": "training.beta",
    "kl_beta": "training.beta",
    "kl_loss_coef": "training.beta",
    "init_kl_coef": "training.beta",
    "clip_range": "training.epsilon",
    "clip_ratio": "training.epsilon",
    "cliprange": "training.epsilon",
    "eps_clip": "training.epsilon",
    "clip_ratio_high": "training.epsilon_high",
    "ppo_epochs": "training.num_iterations",
    "scheduler": "training.lr_scheduler_type",
    "lr_scheduler": "training.lr_scheduler_type",
    "optimizer": "training.optim",
    "warmup": "training.warmup_steps",
    "grad_clip": "training.max_grad_norm",
    "clip_grad": "training.max_grad_norm",
    "num_gpus": "launch.num_processes",
    "n_gpus": "launch.num_processes",
    "nproc_per_node": "launch.num_processes",
    "world_size": "launch.num_processes",
    "rank": "peft.r",
    "lora_rank": "peft.r",
    "output": "paths.output_dir",
}


def instead(name: str) -> str | None:
    """Say what became of a key.

    Args:
        name: a key's last part.

    Returns:
        "TRL 0.28 removed it; write …", or None where the name is in neither table.
    """
    if name in REMOVED:
        who, now = REMOVED[name]
        return f"{who}; {now}"
    if name in TRL_CLI:
        return f"here that is {TRL_CLI[name]}"
    return None


def nearest_key(section: str, name: str) -> str | None:
    """Find the valid key that an unknown one stands for.

    Args:
        section: where it was written; "" for the root.
        name: the unknown key.

    Returns:
        A full key ("training.beta"), looked for by what other trainers call it, by its exact name in any
        section, then by spelling, in the same section first; None where nothing comes near.
    """
    table = sections()
    own = table.get(section, {})
    if name in ALIASES:
        meant = ALIASES[name].rpartition(".")[2]
        return own[meant].key if meant in own else ALIASES[name]
    for fields in table.values():
        if name in fields:
            return fields[name].key
    inside = {s.rpartition(".")[2]: s for s in table if section and s.startswith(f"{section}.")}
    close = nearest(name, [*own, *inside])
    if close:
        return own[close].key if close in own else inside[close]
    everywhere = {field.name: field.key for fields in table.values() for field in fields.values()}
    close = nearest(name, everywhere, cutoff=0.75)
    return everywhere[close] if close else None


def unknown(section: str, name: str) -> str:
    """Say that there is no such key, and what to write instead.

    Args:
        section: where it was written; "" for the root.
        name: the unknown key.
    """
    key = f"{section}.{name}" if section else name
    became = instead(name)
    if became:
        return f"{key}: {became}."
    if not section:
        near = nearest(name, [s for s in sections() if s and "." not in s] + ["reward"], cutoff=0.7)
        if near and near not in sections()[""]:
            return f"{key}: no such key or section; did you mean {near}?"
    meant = nearest_key(section, name)
    if meant:
        return f"{key}: no such key; did you mean {meant}?"
    return f"{key}: no such key; grpo-train --fields '{section or '*'}.*' lists those there are."
