"""The forecast's terms: each grows with what it should, and what is advised saves what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grpo_cli.forecast.architecture import from_config
from grpo_cli.forecast.memory import BACKWARD, GENERATION, Setup, forecast
from grpo_cli.forecast.savings import savings
from grpo_cli.forecast.states import states

QWEN3_06B = from_config(
    {"model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "head_dim": 128,
     "num_key_value_heads": 8, "intermediate_size": 3072, "vocab_size": 151936, "tie_word_embeddings": True}
)  # fmt: skip
GIB = 2**30
RUN = Setup(QWEN3_06B, weight_bytes=4, compute_bytes=2, micro_batch=8, generated=64, fused=True)


def test_what_stays_is_sixteen_bytes_a_parameter() -> None:
    found = states(RUN)
    assert found.weights + found.gradients + found.optimizer == 16 * QWEN3_06B.parameters
    assert found.reference == 0
    assert states(replace(RUN, reference=True)).reference == 4 * QWEN3_06B.parameters


def test_the_kv_cache_is_that_of_grouped_queries() -> None:
    # 2 (keys and values) × 28 layers × 8 heads × 128 × 768 tokens × 64 completions × 2 bytes, one layer twice.
    assert forecast(RUN).kv_cache == pytest.approx(2 * 28 * 8 * 128 * 768 * 64 * 2, rel=0.02)


def test_an_adapter_saves_gradients_and_optimizer() -> None:
    whole, adapter = states(RUN), states(replace(RUN, adapter_rank=16, weight_bytes=2))
    assert adapter.gradients < 0.05 * whole.gradients and adapter.optimizer < 0.05 * whole.optimizer
    quantized = states(replace(RUN, adapter_rank=16, weight_bytes=2, base_bits=4))
    assert quantized.weights < 0.7 * adapter.weights


def test_the_peak_is_in_the_phase_that_needs_most() -> None:
    assert forecast(replace(RUN, generated=8)).peak_phase == BACKWARD
    assert forecast(replace(RUN, adapter_rank=8)).peak_phase == GENERATION
    without = forecast(replace(RUN, checkpointing=False))
    assert without.activations > 5 * forecast(RUN).activations


def test_savings_are_differences_of_forecasts() -> None:
    run = replace(RUN, checkpointing=False, reference=True, micro_batch=16, accumulation=2)
    found = {saving.override: saving.bytes for saving in savings(run)}
    peak = forecast(run).peak
    assert found["training.gradient_checkpointing=true"] == peak - forecast(replace(run, checkpointing=True)).peak
    assert found["training.beta=0"] == pytest.approx(4 * QWEN3_06B.parameters)
    assert "training.per_device_train_batch_size=8 training.gradient_accumulation_steps=4" in found
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_half_a_billion_parameters_fit_a_large_gpu_and_no_small_one() -> None:
    assert 9 * GIB < forecast(RUN).peak < 24 * GIB
