"""Parameters by formula against the models that transformers builds (on the meta device: no memory, no time)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.forecast.architecture import count_parameters, from_config, read_architecture

SMALL = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 8, "intermediate_size": 192,
         "vocab_size": 500}  # fmt: skip
SHAPES = {
    "qwen2": {**SMALL, "num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen3": {**SMALL, "num_key_value_heads": 2, "head_dim": 32, "tie_word_embeddings": True},
    "llama": {**SMALL, "num_key_value_heads": 8, "tie_word_embeddings": False},
    "mistral": {**SMALL, "num_key_value_heads": 4, "tie_word_embeddings": False},
    "smollm3": {**SMALL, "num_key_value_heads": 4, "tie_word_embeddings": True, "pad_token_id": 0},
    "qwen3_moe": {**SMALL, "num_key_value_heads": 2, "num_experts": 4, "num_experts_per_tok": 2, "head_dim": 16,
                  "moe_intermediate_size": 48, "decoder_sparse_step": 1, "tie_word_embeddings": False},
    "mixtral": {**SMALL, "num_key_value_heads": 2, "num_local_experts": 4, "tie_word_embeddings": False},
    "gpt2": {"n_embd": 64, "n_layer": 3, "n_head": 8, "n_positions": 128, "vocab_size": 500},
}  # fmt: skip


@pytest.mark.parametrize("model_type", SHAPES)
def test_the_formula_counts_what_transformers_builds(model_type: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(model_type, **SHAPES[model_type])
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    real = sum(parameter.numel() for parameter in model.parameters())
    told = from_config(json.loads(config.to_json_string(use_diff=False))).parameters
    assert told == pytest.approx(real, rel=0.01), (told, real)


def test_lora_is_counted_as_peft_counts_it() -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model("qwen3", **SHAPES["qwen3"])
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
        adapted = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    trained = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert from_config(config.to_dict()).adapter_widths * 8 == trained


def test_weights_on_disk_are_counted_exactly(tmp_path: Path) -> None:
    assert count_parameters(EMBEDDED_MODEL) == 125_568
    shape = read_architecture("embedded", None, {})
    assert shape is not None and shape.counted and shape.parameters == 125_568 and shape.context == 512
    assert count_parameters(tmp_path) is None


def test_models_are_found_in_the_hubs_cache(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "models--org--name"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "config.json").write_text(json.dumps({"model_type": "llama", **SHAPES["llama"]}))
    env = {"HF_HOME": str(tmp_path)}
    shape = read_architecture("org/name", None, env)
    assert shape is not None and not shape.counted and shape.vocab == 500
    assert read_architecture("org/other", None, env) is None


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"hidden_size": "x"}'])
def test_a_config_that_is_none_gives_no_shape(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert read_architecture(str(tmp_path), None, {}) is None
