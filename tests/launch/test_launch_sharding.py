"""What `launch.sharding` and `launch.accelerate_config` put onto the command line and into the run folder."""

import json
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from grpo_cli.config.schema import defaults
from grpo_cli.errors import ConfigError
from grpo_cli.launch.elsewhere import hardware_asked_for, is_elsewhere
from grpo_cli.launch.hardware import Gpu, Hardware
from grpo_cli.launch.plan import plan_launch

CONF = Path(__file__).parents[2] / "conf" / "launch"
PROFILES = ["fsdp2", "deepspeed_zero1", "deepspeed_zero2", "deepspeed_zero3"]


def machine(gpus: int = 0) -> Hardware:
    cards = tuple(Gpu(str(i), f"GPU-{i}", "NVIDIA H100", 81559) for i in range(gpus))
    return Hardware("box", "Linux", "EPYC", 8, 2**34, cards, "2.13.0+cu130", "13.0")


def group(profile: str = "auto", **changes) -> dict:
    """The `launch` group as composed, with changes by dotted key (`fsdp__offload_params`)."""
    cfg = OmegaConf.merge(
        defaults()["launch"], OmegaConf.load(CONF / "auto.yaml"), OmegaConf.load(CONF / f"{profile}.yaml")
    )
    for key, value in changes.items():
        OmegaConf.update(cfg, key.replace("__", "."), value)
    return OmegaConf.to_container(OmegaConf.masked_copy(cfg, [k for k in cfg if k != "defaults"]))


def plan(profile: str = "auto", *, gpus: int = 0, training=None, **changes):
    return plan_launch(group(profile, **changes), training or {}, Path("run"), hardware=machine(gpus), base_env={})


def test_a_dry_run_without_gpus_is_for_a_machine_that_has_them(tmp_path, capsys):
    none = machine()
    assert len(hardware_asked_for(group("fsdp2", num_processes=8), none).usable_gpus) == 8
    assert "a machine with 8" in capsys.readouterr().err
    own = config_file(tmp_path, distributed_type="MULTI_GPU", num_processes=4)
    assert len(hardware_asked_for(group(accelerate_config=own), none).usable_gpus) == 4
    assert len(hardware_asked_for(group("fsdp2"), none).usable_gpus) == 2, "how many is not said"
    assert "launch.num_processes says for how many" in capsys.readouterr().err
    made_up = hardware_asked_for(group("fsdp2", num_processes=4), none, server_gpus=2)
    assert len(made_up.usable_gpus) == 6 and is_elsewhere(made_up)
    assert not is_elsewhere(none) and not is_elsewhere(machine(2))
    assert hardware_asked_for(group("cpu", num_processes=2), none) == none
    assert hardware_asked_for(group("multi_gpu", num_processes=8), machine(2)) == machine(2)


def config_file(tmp_path: Path, **values) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"compute_environment": "LOCAL_MACHINE", **values}))
    return str(path)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_says_every_key_of_its_engine_at_its_default(profile):
    schema, shipped = defaults()["launch"], OmegaConf.load(CONF / f"{profile}.yaml")
    section = "fsdp" if profile == "fsdp2" else "deepspeed"
    assert dict(shipped[section]).items() <= schema[section].items()
    if profile in ("fsdp2", "deepspeed_zero3"):
        assert dict(shipped[section]) == schema[section]
    assert all("#" in line for line in (CONF / f"{profile}.yaml").read_text().splitlines() if line.startswith("  "))


def test_fsdp2_writes_accelerates_config_into_the_run_folder():
    chosen = plan("fsdp2", gpus=4, fsdp__transformer_layer_cls_to_wrap="Qwen2DecoderLayer")
    assert chosen.world_size == 4
    assert "--use_fsdp" in chosen.argv and "--multi_gpu" not in chosen.argv
    assert chosen.argv[chosen.argv.index("--config_file") + 1] == str(Path("run").resolve() / "launch/accelerate.yaml")
    written = yaml.safe_load(chosen.files["launch/accelerate.yaml"])
    assert written["distributed_type"] == "FSDP"
    assert written["fsdp_config"] == {
        "fsdp_version": 2,
        "fsdp_reshard_after_forward": True,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_transformer_layer_cls_to_wrap": "Qwen2DecoderLayer",
        "fsdp_offload_params": False,
        "fsdp_cpu_ram_efficient_loading": False,
        "fsdp_activation_checkpointing": False,
        "fsdp_state_dict_type": "FULL_STATE_DICT",
    }


def test_zero3_writes_deepspeeds_config_too():
    chosen = plan("deepspeed_zero3", gpus=2, deepspeed__offload_param_device="nvme", deepspeed__nvme_path="/local")
    assert "--use_deepspeed" in chosen.argv
    written = yaml.safe_load(chosen.files["launch/accelerate.yaml"])["deepspeed_config"]
    assert written["deepspeed_config_file"] == str(Path("run").resolve() / "launch/deepspeed.json")
    assert written["zero3_init_flag"] is True
    zero = json.loads(chosen.files["launch/deepspeed.json"])["zero_optimization"]
    assert zero["stage"] == 3
    assert zero["offload_param"] == {"device": "nvme", "pin_memory": True, "nvme_path": "/local"}
    assert "offload_optimizer" not in zero
    assert zero["stage3_gather_16bit_weights_on_model_save"] is True


def test_offloading_makes_sense_on_one_gpu():
    chosen = plan("deepspeed_zero2", gpus=1, kind="single_gpu", deepspeed__offload_optimizer_device="cpu")
    assert chosen.world_size == 1
    assert "accelerate.commands.launch" in chosen.argv
    assert (
        json.loads(chosen.files["launch/deepspeed.json"])["zero_optimization"]["offload_optimizer"]["device"] == "cpu"
    )


def test_cpu_ranks_may_be_sharded():
    fsdp = plan("fsdp2", kind="cpu", num_processes=2)
    assert (fsdp.kind, fsdp.world_size, fsdp.env["ACCELERATE_USE_CPU"]) == ("cpu", 2, "true")
    # accelerate starts no DeepSpeed where it is told of the CPU.
    zero = plan("deepspeed_zero3", kind="cpu", num_processes=2)
    assert "ACCELERATE_USE_CPU" not in zero.env and zero.env["DS_ACCELERATOR"] == "cpu"


@pytest.mark.parametrize(
    ("profile", "changes", "gpus", "parts"),
    [
        ("fsdp2", {}, 1, ["launch.kind=multi_gpu needs two GPUs"]),
        ("fsdp2", {"kind": "cpu"}, 0, ["there is one", "launch.num_processes=2"]),
        ("fsdp2", {"kind": "single_gpu"}, 1, ["there is one", "launch.sharding=none"]),
        ("fsdp2", {"kind": "cpu", "num_processes": 2, "fsdp__offload_params": True}, 0, ["offload_params=false"]),
        (
            "fsdp2",
            {"fsdp__auto_wrap_policy": "NO_WRAP", "fsdp__transformer_layer_cls_to_wrap": "A"},
            2,
            ["TRANSFORMER_BASED_WRAP"],
        ),
        ("auto", {"fsdp__offload_params": True}, 2, ["launch.sharding=none", "launch=fsdp2"]),
        ("auto", {"deepspeed__offload_optimizer_device": "cpu"}, 2, ["launch=deepspeed_zero2"]),
        ("fsdp2", {"deepspeed__offload_param_device": "cpu"}, 2, ["launch.sharding=fsdp2", "launch=deepspeed_zero3"]),
        ("deepspeed_zero2", {"deepspeed__offload_param_device": "cpu"}, 2, ["ZeRO-3", "launch=deepspeed_zero3"]),
        ("deepspeed_zero1", {"deepspeed__offload_optimizer_device": "nvme"}, 2, ["needs ZeRO-3"]),
        ("deepspeed_zero3", {"deepspeed__offload_optimizer_device": "nvme"}, 2, ["launch.deepspeed.nvme_path"]),
        ("deepspeed_zero2", {"kind": "single_gpu", "foreground": True}, 1, ["foreground", "launch.sharding=none"]),
    ],
)
def test_contradictions_are_refused_in_one_sentence(profile, changes, gpus, parts):
    with pytest.raises(ConfigError) as refused:
        plan(profile, gpus=gpus, **changes)
    message = str(refused.value)
    assert all(part in message for part in parts), message
    assert message.count(". ") == 0


def test_a_file_of_ones_own_is_copied_and_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ds.json").write_text('{"zero_optimization": {"stage": 2}}')
    settings = {"deepspeed_config_file": "ds.json", "zero3_init_flag": False}
    own = config_file(tmp_path, distributed_type="DEEPSPEED", num_processes=2, deepspeed_config=settings)
    chosen = plan(gpus=4, accelerate_config=own)
    assert (chosen.world_size, chosen.kind) == (2, "multi_gpu")
    assert "--use_deepspeed" in chosen.argv
    copied = yaml.safe_load(chosen.files["launch/accelerate.yaml"])["deepspeed_config"]
    assert copied["deepspeed_config_file"] == str(Path("run").resolve() / "launch/deepspeed.json")
    assert json.loads(chosen.files["launch/deepspeed.json"]) == {"zero_optimization": {"stage": 2}}


def test_the_file_says_how_many_and_which_gpus(tmp_path):
    own = config_file(tmp_path, distributed_type="MULTI_GPU", num_processes=2, gpu_ids="2,3")
    chosen = plan(gpus=4, accelerate_config=own, num_processes=2)
    assert chosen.env["CUDA_VISIBLE_DEVICES"] == "2,3"
    cpu = config_file(tmp_path, distributed_type="MULTI_CPU", num_processes=2, use_cpu=True)
    assert (plan(accelerate_config=cpu).kind, plan(accelerate_config=cpu).world_size) == ("cpu", 2)
    single = config_file(tmp_path, distributed_type="NO", num_processes=1)
    assert plan(gpus=4, accelerate_config=single).world_size == 1


def test_precision_is_the_trainings_and_that_is_said(tmp_path):
    own = config_file(tmp_path, distributed_type="MULTI_GPU", num_processes=2, mixed_precision="fp16")
    assert "training.fp16=true" in plan(gpus=2, accelerate_config=own, training={"bf16": "auto"}).warnings[0]
    assert not plan(gpus=2, accelerate_config=own, training={"fp16": True}).warnings
    own = config_file(tmp_path, distributed_type="MULTI_GPU", num_processes=2, mixed_precision="bf16")
    assert not plan(gpus=2, accelerate_config=own, training={"bf16": "auto"}).warnings


NO_JSON = {"deepspeed_config_file": "no.json"}


@pytest.mark.parametrize(
    ("values", "changes", "parts"),
    [
        (
            {"distributed_type": "MULTI_GPU", "num_processes": 2},
            {"num_processes": 4},
            ["num_processes: 2", "=4", "=auto"],
        ),
        ({"distributed_type": "FSDP", "num_processes": 2}, {}, ["fsdp_version: 2"]),
        (
            {"distributed_type": "FSDP", "num_processes": 2, "fsdp_config": {"fsdp_version": 2}},
            {"sharding": "fsdp2"},
            ["launch.sharding=none"],
        ),
        ({"distributed_type": "XLA", "num_processes": 2}, {}, ["XLA", "DEEPSPEED"]),
        ({"distributed_type": "MULTI_GPU"}, {}, ["num_processes must be"]),
        ({"distributed_type": "MULTI_GPU", "num_processes": 4, "num_machines": 2}, {}, ["launch.nodes.count=2"]),
        ({"distributed_type": "MULTI_GPU", "num_processes": 8}, {}, ["only 4 GPUs"]),
        (
            {"distributed_type": "DEEPSPEED", "num_processes": 2, "deepspeed_config": NO_JSON},
            {},
            ["no.json is not there"],
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, values, changes, parts):
    with pytest.raises(ConfigError) as refused:
        plan(gpus=4, accelerate_config=config_file(tmp_path, **values), **changes)
    assert all(part in str(refused.value) for part in parts), str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    for text, part in ((None, "no such file"), ("a: [", "cannot be read"), ("- 1", "accelerate config")):
        path = tmp_path / "bad.yaml"
        if text is not None:
            path.write_text(text)
        with pytest.raises(ConfigError, match=part):
            plan(gpus=4, accelerate_config=str(path))
