"""What sharding leaves on one GPU: against the ZeRO paper's own table, and against the bytes torch itself holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grpo_cli.forecast.architecture import from_config
from grpo_cli.forecast.memory import GENERATION, Setup, forecast
from grpo_cli.forecast.savings import savings
from grpo_cli.forecast.states import states

LLAMA_8B = from_config(
    {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
     "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": False}
)  # fmt: skip
SMALL = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 4,
         "intermediate_size": 192, "vocab_size": 500, "tie_word_embeddings": False}  # fmt: skip
GIB = 2**30
MIXED = Setup(LLAMA_8B, weight_bytes=4, compute_bytes=2, micro_batch=1, generated=8, fused=True)
FSDP2 = replace(MIXED, sharding="fsdp2", shards=8, replicas=8)

# Table 1 of https://arxiv.org/abs/1910.02054: GB a device for weights, gradients and optimizer of a model of so many
# parameters on so many devices, at ZeRO's three stages.
TABLE_1 = {
    (7.5e9, 1): (120, 120, 120),
    (7.5e9, 4): (52.5, 41.3, 30),
    (7.5e9, 16): (35.6, 21.6, 7.5),
    (7.5e9, 64): (31.4, 16.6, 1.88),
    (7.5e9, 256): (30.4, 15.4, 0.47),
    (7.5e9, 1024): (30.1, 15.1, 0.12),
    (128e9, 16): (608, 368, 128),
    (128e9, 64): (536, 284, 32),
    (1e12, 1024): (4011, 2013, 15.6),
}


@pytest.mark.parametrize(("parameters", "devices"), TABLE_1)
def test_zero_is_the_papers_table(parameters: float, devices: int) -> None:
    model = replace(MIXED, model=replace(LLAMA_8B, parameters=int(parameters)), shards=devices, replicas=devices)
    for stage, expected in zip((1, 2, 3), TABLE_1[parameters, devices], strict=True):
        found = states(replace(model, sharding=f"zero{stage}"))
        kept = (found.weights + found.gradients + found.optimizer) / 1e9
        assert kept == pytest.approx(expected, rel=0.01, abs=0.005), stage


def test_ddp_has_all_of_it_and_sends_a_second_copy_of_the_gradients() -> None:
    whole = states(replace(MIXED, replicas=4))
    assert whole.weights + whole.gradients + whole.optimizer == 16 * LLAMA_8B.parameters
    assert whole.buckets == whole.gradients and states(MIXED).buckets == 0


def test_fsdp2_divides_everything_and_gathers_two_layers_and_the_root() -> None:
    found = states(FSDP2)
    assert found.weights + found.gradients + found.optimizer == 16 * LLAMA_8B.parameters / 8
    layer, root = LLAMA_8B.linear / 32, LLAMA_8B.parameters - LLAMA_8B.linear
    assert found.gathered == (2 * layer + root) * 2
    assert found.gathered_whole == 4 * LLAMA_8B.parameters and found.buckets == found.cast == 0
    assert states(replace(FSDP2, keeps_gathered=True)).gathered == LLAMA_8B.parameters * 2
    assert states(replace(FSDP2, engine=True)).gathered_whole == found.gathered


def test_what_is_offloaded_moves_to_the_machine_or_leaves_it() -> None:
    zero3 = replace(FSDP2, sharding="zero3")
    plain, cpu = states(zero3), states(replace(zero3, offload_optimizer="cpu", offload_param="cpu"))
    assert (cpu.weights, cpu.gradients, cpu.optimizer) == (0, 0, 0)
    assert cpu.host == plain.weights + plain.gradients + plain.optimizer
    assert states(replace(zero3, offload_optimizer="nvme")).host == 0
    zero2 = states(replace(FSDP2, sharding="zero2", offload_optimizer="cpu"))
    assert (zero2.weights, zero2.optimizer) == (2 * LLAMA_8B.parameters, 0)


def test_the_bytes_are_those_that_torch_holds_after_a_step() -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SMALL))
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    held = sum(p.nbytes + p.grad.nbytes for p in model.parameters())
    held += sum(value.nbytes for state in optimizer.state.values() for value in state.values() if value.ndim)
    setup = Setup(from_config({"model_type": "llama", **SMALL}))
    for found, ranks in ((states(setup), 1), (states(replace(setup, sharding="fsdp2", shards=2, replicas=2)), 2)):
        assert found.weights + found.gradients + found.optimizer == held / ranks


def test_a_quantized_base_has_its_constants() -> None:
    lora = replace(MIXED, weight_bytes=2, adapter_rank=16)
    plain, double = (states(replace(lora, base_bits=4, double_quant=d)).weights for d in (False, True))
    # 16 bits a weight become 4.5, or 4.127 (https://arxiv.org/abs/2305.14314).
    assert states(lora).weights - plain == pytest.approx(LLAMA_8B.linear * 11.5 / 8)
    assert states(lora).weights - double == pytest.approx(LLAMA_8B.linear * 11.873 / 8)


def test_vllm_is_there_all_the_time_unless_it_sleeps() -> None:
    awake = replace(MIXED, engine=True, vllm=24 * GIB)
    asleep = forecast(replace(awake, vllm_sleeps=True)).phases
    for phase, size in forecast(awake).phases.items():
        assert size - asleep[phase] == (0 if phase == GENERATION else 24 * GIB)


def test_sharding_and_offloading_are_advised_where_they_can_be_set() -> None:
    ddp = replace(MIXED, replicas=8, can_shard=True)
    found = {saving.override: saving.bytes for saving in savings(ddp)}
    assert found["launch.sharding=fsdp2"] == forecast(ddp).peak - forecast(FSDP2).peak > 0
    assert found["launch.sharding=zero3"] > found["launch.sharding=zero2"] > 0
    assert not any("sharding" in saving.override for saving in savings(replace(ddp, can_shard=False)))
    further = {saving.override for saving in savings(replace(FSDP2, sharding="zero2", can_shard=True))}
    assert "launch.deepspeed.offload_optimizer_device=cpu" in further and "launch.sharding=zero2" not in further
