"""Every experiment that ships composes, and the article's run sets what the article sets and nothing by accident."""

from __future__ import annotations

import pytest
from docs_blocks import REPOSITORY
from omegaconf import OmegaConf

from grpo_cli.config.schema import training_default

EXPERIMENTS = sorted(p.stem for p in (REPOSITORY / "conf" / "experiment").glob("*.yaml"))
HUB = ["model=trl-internal-testing/tiny-Qwen2ForCausalLM-2.5", "dataset=zen_hub"]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_pass_a_dry_run(experiment, cli):
    done = cli(f"experiment={experiment}", "dry_run=true")
    assert done.returncode == 0, done.stderr
    assert "grpo_cli.training.worker" in done.stdout


@pytest.mark.parametrize("overrides", [[], HUB], ids=["embedded", "hub"])
def test_article_length_leaves_the_rest_to_trl(overrides, cli):
    done = cli("experiment=article_length", *overrides, "--cfg", "job", "--resolve")
    assert done.returncode == 0, done.stderr
    cfg = OmegaConf.create(done.stdout)
    training = cfg.training
    article = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "logging_steps": 2}
    chosen = {"learning_rate": 1e-3, "max_completion_length": 32}
    assert {key: training[key] for key in {**article, **chosen}} == {**article, **chosen}
    project = OmegaConf.load(REPOSITORY / "conf" / "training" / "default.yaml").keys()
    rest = {key: value for key, value in training.items() if key not in {*article, *chosen, *project}}
    assert {"max_steps", "num_generations", "warmup_steps"} <= rest.keys()
    assert rest == {key: training_default(key) for key in rest}
    assert list(cfg.reward) == ["length"]
    assert (cfg.dataset.path or cfg.dataset.generator).endswith("zen")


@pytest.mark.slow
def test_article_length_learns_to_write_longer(tmp_path, cli):
    done = cli("experiment=article_length", "hydra.run.dir=run", "display=plain", "launch.threads=1")
    assert done.returncode == 0, done.stdout + done.stderr
    result = OmegaConf.load(tmp_path / "run" / "result.json")
    assert (result.step, result.objective.name) == (51, "eval/held_out/reward")
    before, after = (result.metrics[when]["eval/held_out/length"] for when in ("before", "after"))
    assert after > 4 * before  # characters: 32 → 256 on three seeds of three
