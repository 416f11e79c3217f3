"""What is decided elsewhere here can still be set under the name that TRL gives it."""

import pytest

from grpo_cli.config.command_line import rewrite
from grpo_cli.errors import ConfigError
from grpo_cli.jobs.prepare import translate


@pytest.fixture
def config():
    from omegaconf import OmegaConf

    def make(**training):
        rewards = {"exact_match": {"weight": 1.0}, "format": {"weight": 1.0}}
        return OmegaConf.create({"training": training, "reward": rewards, "model": {"trust_remote_code": False}})

    return make


def test_reward_weights_go_to_the_rewards_in_order(config):
    cfg = config(reward_weights=[1.0, 0.2])
    translate(cfg)
    assert [entry.weight for entry in cfg.reward.values()] == [1.0, 0.2]
    assert "reward_weights" not in cfg.training


def test_another_number_of_weights_than_of_rewards_is_refused(config):
    with pytest.raises(ConfigError, match=r"1 weights for 2 rewards \(exact_match, format\)"):
        translate(config(reward_weights=[1.0]))


def test_trust_in_remote_code_goes_to_the_model(config):
    cfg = config(trust_remote_code=True)
    translate(cfg)
    assert cfg.model.trust_remote_code is True


@pytest.mark.parametrize(
    "given, becomes",
    [
        ("training.output_dir=out", "hydra.run.dir=out"),
        ("training.resume_from_checkpoint=never", "resume=never"),
    ],
)
def test_what_concerns_the_whole_run_is_rewritten(given, becomes):
    assert rewrite([given]) == [becomes]
