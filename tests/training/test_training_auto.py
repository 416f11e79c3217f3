import copy

import pytest
import torch

from grpo_cli.errors import ConfigError
from grpo_cli.training.auto import resolve_auto

CONFIG = {
    "training": {"bf16": "auto", "use_cpu": "auto"},
    "model": {"dtype": "auto", "attn_implementation": "auto"},
    "peft": {"method": "none"},
    "launch": {"kind": "cpu"},
}


def config(**training):
    made = copy.deepcopy(CONFIG)
    made["training"].update(training)
    return made


def test_on_the_cpu_everything_is_full_precision_and_each_reason_is_given():
    made = config(fp16="auto", use_vllm="auto")
    resolved = resolve_auto(made)
    assert made["training"] == {"bf16": False, "fp16": False, "use_cpu": True, "use_vllm": False}
    assert made["model"]["dtype"] == "float32"
    assert {item.key for item in resolved} == {
        "training.bf16",
        "training.fp16",
        "training.use_cpu",
        "training.use_vllm",
        "model.dtype",
    }
    assert all(item.why for item in resolved)


@pytest.mark.parametrize("key", ["bf16", "fp16"])
def test_half_precision_on_the_cpu_is_refused_with_what_to_write(key):
    with pytest.raises(ConfigError, match=f"write training.{key}=false"):
        resolve_auto(config(**{"bf16": False, key: True}))


def test_a_value_that_was_given_stays():
    made = config(use_cpu=True, bf16=False)
    made["model"]["dtype"] = "bfloat16"
    assert resolve_auto(made) == []
    assert made["model"]["dtype"] == "bfloat16"


def test_a_gpu_with_bfloat16_gets_it(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    made = config(fp16="auto")
    made["launch"]["kind"] = "single_gpu"
    made["peft"]["method"] = "lora"
    resolve_auto(made)
    assert made["training"] == {"bf16": True, "fp16": False, "use_cpu": False}
    assert made["model"]["dtype"] == "bfloat16"


def test_the_config_files_say_auto_on_every_key_that_takes_it():
    from grpo_cli.config.schema import sections

    takes_auto = {name for name, field in sections()["training"].items() if field.auto}
    made = config(**dict.fromkeys(takes_auto, "auto"))
    resolve_auto(made)
    assert "auto" not in made["training"].values()
