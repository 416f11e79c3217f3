"""Command lines and files, read by accelerate itself as `accelerate launch` reads them."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from test_launch_sharding import PROFILES, plan

pytestmark = pytest.mark.slow  # accelerate's parser brings torch


def accelerates(chosen, folder: Path) -> tuple[dict[str, str], dict]:
    """What accelerate makes of a plan: the environment it gives the ranks, and its arguments."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    argv = list(chosen.argv[chosen.argv.index("accelerate.commands.launch") + 1 :])
    for name, text in chosen.files.items():
        (folder / Path(name).name).write_text(text.replace(str(Path("run").resolve() / "launch"), str(folder)))
    if chosen.files:
        argv[argv.index("--config_file") + 1] = str(folder / "accelerate.yaml")
    with patch.dict(os.environ, {"OMP_NUM_THREADS": "1"}, clear=True):
        arguments, defaults, _ = _validate_launch_command(launch_command_parser().parse_args(argv))
        if arguments.use_deepspeed:
            arguments.deepspeed_fields_from_accelerate_config = ",".join(defaults.deepspeed_config)
            return prepare_deepspeed_cmd_env(arguments)[1], vars(arguments)
        return prepare_multi_gpu_env(arguments), vars(arguments)


def test_data_parallel_ranks(tmp_path):
    _, arguments = accelerates(plan(gpus=4), tmp_path)
    assert arguments["multi_gpu"] and not arguments["use_fsdp"] and not arguments["use_deepspeed"]
    assert (arguments["num_processes"], arguments["nproc_per_node"]) == (4, "4")
    assert (arguments["training_script"], arguments["module"]) == ("grpo_cli.training.worker", True)


def test_fsdp2(tmp_path):
    from accelerate import FullyShardedDataParallelPlugin

    chosen = plan("fsdp2", gpus=4, fsdp__reshard_after_forward=False, fsdp__state_dict_type="SHARDED_STATE_DICT")
    env, arguments = accelerates(chosen, tmp_path)
    assert arguments["use_fsdp"] and not arguments["multi_gpu"]
    assert (env["ACCELERATE_USE_FSDP"], env["FSDP_VERSION"], env["FSDP_RESHARD_AFTER_FORWARD"]) == (
        "true",
        "2",
        "false",
    )
    with patch.dict(os.environ, env):
        plugin = FullyShardedDataParallelPlugin()
    assert (plugin.fsdp_version, plugin.reshard_after_forward, plugin.cpu_ram_efficient_loading) == (2, False, False)
    assert plugin.state_dict_type.name == "SHARDED_STATE_DICT"
    assert plugin.auto_wrap_policy.__name__ == "transformer_auto_wrap_policy"


@pytest.mark.parametrize("profile", PROFILES[1:])
@pytest.mark.parametrize("device", ["none", "cpu"])
def test_deepspeed(tmp_path, profile, device):
    from accelerate import DeepSpeedPlugin

    env, arguments = accelerates(plan(profile, gpus=2, deepspeed__offload_optimizer_device=device), tmp_path)
    assert arguments["use_deepspeed"] and arguments["nproc_per_node"] == "2"
    with patch.dict(os.environ, env):
        plugin = DeepSpeedPlugin()
    assert plugin.zero_stage == int(profile[-1])
    assert plugin.offload_optimizer_device == device
    assert plugin.zero3_init_flag == (profile == "deepspeed_zero3")


def test_several_nodes_start_deepspeed_without_ssh(tmp_path):
    nodes = {"nodes__count": 2, "nodes__rank": 1, "nodes__address": "127.0.0.1"}
    chosen = plan("deepspeed_zero2", gpus=2, **nodes)
    env, arguments = accelerates(chosen, tmp_path)
    assert chosen.world_size == 4
    assert (arguments["nproc_per_node"], arguments["nnodes"], arguments["node_rank"]) == ("2", "2", 1)
    assert env["ACCELERATE_USE_DEEPSPEED"] == "true"
