import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import grpo_cli
from grpo_cli.config.groups.launch import KINDS, LaunchConfig
from grpo_cli.config.schema import defaults
from grpo_cli.errors import ConfigError
from grpo_cli.jobs.dry_run import command_line
from grpo_cli.launch.hardware import Gpu, Hardware
from grpo_cli.launch.identity import is_running
from grpo_cli.launch.plan import plan_launch

CONF = Path(__file__).parents[2] / "conf" / "launch"


def machine(gpus: int = 0, cores: int = 8, cuda: str | None = "13.0") -> Hardware:
    cards = tuple(Gpu(str(i), f"GPU-{i}", "NVIDIA H100", 81559) for i in range(gpus))
    return Hardware("box", "Linux", "EPYC", cores, 2**34, cards, "2.13.0+cu130" if cuda else "2.13.0+cpu", cuda)


def plan(launch=None, training=None, *, gpus: int = 0, cores: int = 8, cuda: str | None = "13.0", env=None):
    return plan_launch(
        launch or {}, training or {}, Path("run"), hardware=machine(gpus, cores, cuda), base_env=env or {}
    )


@pytest.mark.parametrize(
    ("launch", "gpus", "kind", "processes"),
    [
        ({}, 0, "cpu", 1),
        ({}, 1, "single_gpu", 1),
        ({}, 4, "multi_gpu", 4),
        ({"num_processes": 1}, 4, "single_gpu", 1),
        ({"num_processes": 2}, 4, "multi_gpu", 2),
        ({"foreground": True}, 4, "single_gpu", 1),
        ({"num_processes": "2"}, 0, "cpu", 2),
        ({"kind": "cpu"}, 4, "cpu", 1),
        ({"kind": "cpu", "num_processes": 2}, 4, "cpu", 2),
        ({"kind": "single_gpu"}, 4, "single_gpu", 1),
        ({"kind": "multi_gpu"}, 8, "multi_gpu", 8),
    ],
)
def test_what_is_chosen(launch, gpus, kind, processes):
    chosen = plan(launch, gpus=gpus)
    assert (chosen.kind, chosen.world_size) == (kind, processes)
    assert chosen.env["GRPO_TRAIN_WORLD_SIZE"] == str(processes)
    assert chosen.env["GRPO_TRAIN_LAUNCH"] == kind
    assert chosen.why


def test_auto_says_why():
    assert "no NVIDIA GPU" in plan().why
    assert "NVIDIA H100" in plan(gpus=1).why
    assert "without CUDA" in plan(gpus=2, cuda=None).why
    assert plan({}, {"use_cpu": True}, gpus=2).kind == "cpu"


@pytest.mark.parametrize(
    ("launch", "training", "gpus", "parts"),
    [
        ({"kind": "tpu"}, {}, 0, ["tpu", "single_gpu"]),
        ({"kind": "multi_gpu"}, {}, 0, ["no NVIDIA GPU", "launch=cpu"]),
        ({"kind": "multi_gpu"}, {}, 1, ["launch=single_gpu"]),
        ({"kind": "multi_gpu", "num_processes": 1}, {}, 4, ["launch=single_gpu"]),
        ({"kind": "multi_gpu", "num_processes": 5}, {}, 4, ["launch.num_processes=4"]),
        ({"num_processes": 3}, {}, 2, ["launch.num_processes=2"]),
        ({"kind": "single_gpu"}, {}, 0, ["launch=cpu"]),
        ({"num_processes": 2}, {}, 1, ["launch.num_processes=1"]),
        ({"kind": "single_gpu", "num_processes": 2}, {}, 4, ["launch=multi_gpu"]),
        ({"kind": "single_gpu"}, {"use_cpu": True}, 1, ["training.use_cpu", "launch=cpu"]),
        ({"num_processes": 0}, {}, 0, ["launch.num_processes=0", "auto"]),
        ({"num_processes": "many"}, {}, 0, ["launch.num_processes=many"]),
        ({"threads": -1}, {}, 0, ["launch.threads=-1"]),
        ({"foreground": True, "num_processes": 2}, {}, 0, ["foreground", "num_processes=1"]),
        ({"foreground": True, "kind": "multi_gpu"}, {}, 2, ["foreground", "launch=single_gpu"]),
        ({"env": {"GRPO_TRAIN_WORLD_SIZE": 4}}, {}, 0, ["launch.env.GRPO_TRAIN_WORLD_SIZE"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(launch, training, gpus, parts):
    with pytest.raises(ConfigError) as error:
        plan(launch, training, gpus=gpus)
    for part in parts:
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_gpu_that_the_installed_torch_cannot_use():
    with pytest.raises(ConfigError, match=r"2\.13\.0\+cpu is a build without CUDA"):
        plan({"kind": "single_gpu"}, gpus=1, cuda=None)


def test_more_processes_than_cores_is_only_a_warning():
    assert "2 usable CPU cores" in plan({"kind": "cpu", "num_processes": 4}, cores=2).warnings[0]
    assert plan({"kind": "cpu", "num_processes": 2}, cores=2).warnings == ()


def test_commands():
    one, two = plan(), plan({"num_processes": 2})
    run = str(Path("run").resolve())
    assert one.argv == (sys.executable, "-m", "grpo_cli.training.worker", run)
    assert two.argv[1:4] == ("-m", "accelerate.commands.launch", "--multi_gpu")
    assert two.argv[-3:] == ("-m", "grpo_cli.training.worker", run)
    text = " ".join(two.argv)
    wanted = ("--main_process_port 0", "--num_machines 1", "--mixed_precision no", "--dynamo_backend no")
    assert all(option in text for option in wanted)
    assert two.env["ACCELERATE_USE_CPU"] == "true" and two.env["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize(
    ("launch", "env", "threads"),
    [
        ({}, {}, "8"),
        ({"num_processes": 3}, {}, "2"),
        ({"num_processes": 20}, {}, "1"),
        ({}, {"OMP_NUM_THREADS": "5"}, "5"),
        ({"threads": 3}, {"OMP_NUM_THREADS": "5"}, "3"),
        ({"env": {"OMP_NUM_THREADS": 7}}, {"OMP_NUM_THREADS": "5"}, "7"),
    ],
)
def test_threads(launch, env, threads):
    chosen = plan(launch, env=env)
    assert chosen.env["OMP_NUM_THREADS"] == threads and chosen.threads == int(threads)


def test_each_rank_gets_one_gpu_and_no_more():
    assert plan({"kind": "single_gpu"}, gpus=4).env["CUDA_VISIBLE_DEVICES"] == "0"
    assert plan({"num_processes": 2}, gpus=4).env["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert plan(gpus=4).env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_what_an_outer_launcher_left_does_not_reach_the_worker():
    left = {"RANK": "3", "WORLD_SIZE": "8", "MASTER_ADDR": "x", "ACCELERATE_USE_FSDP": "true"}
    left |= {"TORCHELASTIC_RUN_ID": "1", "HYDRA_FULL_ERROR": "1", "MY_OWN": "kept"}
    env = plan(env=left).env
    assert env["MY_OWN"] == "kept"
    assert not (set(left) - {"MY_OWN"}) & set(env)


def test_env_extras_are_text_and_win():
    env = plan({"env": {"NCCL_DEBUG": "INFO", "A": 1, "B": None}}, env={"NCCL_DEBUG": "WARN"}).env
    assert (env["NCCL_DEBUG"], env["A"]) == ("INFO", "1") and "B" not in env


def test_two_plans_of_one_folder_are_told_apart_and_name_this_process():
    one, two = plan(), plan()
    assert one.run_id != two.run_id
    assert is_running(one.env["GRPO_TRAIN_COMPOSER"])


def test_a_printed_command_is_not_tied_to_the_process_that_printed_it():
    shown = command_line(plan().env, plan().argv)
    assert "GRPO_TRAIN_WORLD_SIZE=1" in shown and "GRPO_TRAIN_COMPOSER" not in shown and "GRPO_TRAIN_RUN=" not in shown


def test_the_worker_imports_this_package_and_the_users_modules(tmp_path: Path, monkeypatch):
    (tmp_path / "grpo_cli").mkdir()
    (tmp_path / "grpo_cli" / "__init__.py").write_text("raise SystemExit('the wrong package')")
    (tmp_path / "my_rewards.py").write_text("here = True")
    monkeypatch.chdir(tmp_path)
    env = plan_launch({}, {}, tmp_path, hardware=machine(), base_env=os.environ).env
    code = "import grpo_cli, my_rewards; print(grpo_cli.__file__)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == grpo_cli.__file__, done.stderr


def test_the_shipped_choices_hold_exactly_the_schemas_keys():
    base = OmegaConf.load(CONF / "auto.yaml")
    schema = OmegaConf.create(defaults()["launch"])
    assert OmegaConf.merge(schema, base) == schema
    assert {f.name for f in fields(LaunchConfig)} <= {*base, "sharding", "accelerate_config"}
    for file in CONF.glob("*.yaml"):
        if file.stem in KINDS:
            assert OmegaConf.load(file).kind == file.stem
