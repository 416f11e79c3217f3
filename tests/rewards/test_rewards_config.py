"""The files in conf/reward compose, and say what their functions take."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from grpo_cli.config.importer import import_target
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.check import check_rewards
from grpo_cli.rewards.signature import CONTEXT_NAMES, RESERVED, read_signature

FOLDER = Path(__file__).resolve().parents[2] / "conf" / "reward"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_file_holds_all_arguments_with_their_defaults(file):
    text = file.read_text(encoding="utf-8")
    entry = OmegaConf.to_container(OmegaConf.load(file))
    function = import_target(entry["target"])
    parameters = inspect.signature(function).parameters
    own = {key: value for key, value in entry.items() if key not in RESERVED}
    signature = read_signature(function)
    options = [n for n in signature.configurable() if n not in (*CONTEXT_NAMES, *signature.columns({}))]

    assert text.startswith(f"# @package reward.{file.stem}\n")
    assert {"target", "weight", "correctness"} <= set(entry)
    if inspect.isfunction(function):
        assert set(own) == set(options)
    for key, value in own.items():
        default = parameters[key].default
        assert value == default or (value == "???" and default is inspect.Parameter.empty)
    for line in text.splitlines()[3:]:
        assert not line or "#" in line or line.startswith("target:"), f"no comment: {line}"


def compose_rewards(tmp_path, *overrides):
    root = tmp_path / "conf"
    root.mkdir()
    (root / "reward").symlink_to(FOLDER)
    (root / "train.yaml").write_text("defaults:\n  - _self_\n  - reward: [exact_match]\nreward: {}\n")
    with initialize_config_dir(str(root), version_base="1.3"):
        cfg = compose("train", overrides=list(overrides))
    return OmegaConf.to_container(cfg.reward, resolve=True)


def test_several_rewards_with_weights(tmp_path):
    overrides = [
        "reward=[exact_match,format,repetition]",
        "reward.format.weight=0.2",
        "reward.format.strict=false",
    ]
    cfg = compose_rewards(tmp_path, *overrides)
    rewards = build_rewards(cfg, context=RewardContext(columns=["prompt", "answer"]))

    assert check_rewards(cfg) == []
    assert [(r.__name__, r.weight, r.correctness) for r in rewards] == [
        ("exact_match", 1.0, True),
        ("format", 0.2, False),
        ("repetition", 1.0, False),
    ]


def test_one_reward_twice_and_a_users_own(tmp_path, my_rewards):
    cfg = compose_rewards(
        tmp_path,
        "reward=[length]",
        "+reward@reward.short=length",
        "reward.short.target_length=20",
        "+reward.mine.target=my_rewards.py:one",
        "+reward.mine.tone=cold",
    )
    assert check_rewards(cfg) == []
    assert [r.__name__ for r in build_rewards(cfg, context=RewardContext())] == ["length", "short", "mine"]
