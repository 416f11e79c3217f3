from pathlib import Path

import pytest
from omegaconf import OmegaConf

from grpo_cli.data.check import DEFAULTS, required_data_files
from grpo_cli.data.load import load_data

CONF = Path(__file__).parents[2] / "conf" / "dataset"
CHOICES = sorted(path.stem for path in CONF.glob("*.yaml"))


def config(name):
    return OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))


@pytest.mark.parametrize("name", CHOICES)
def test_a_shipped_config_holds_known_keys_only_and_nothing_is_wrong_with_it(name):
    cfg = config(name)
    assert set(cfg) <= set(DEFAULTS)
    problems = required_data_files(cfg)
    if name in ("custom", "generator", "mixture"):
        assert len(problems) == 1 and "names no data" in problems[0]
    else:
        assert problems == []


def test_the_custom_config_shows_the_defaults():
    cfg = config("custom")
    assert {k: v for k, v in cfg.items() if k != "path"} == {k: DEFAULTS[k] for k in cfg if k != "path"}
    elsewhere = {"generator", "generator_kwargs", "task", "size", "seed", "mixture", "mixture_stopping"}
    assert set(cfg) | elsewhere == set(DEFAULTS)


def test_addition_comes_with_its_own_held_out_problems(tokenizer):
    data = load_data(config("addition"), tokenizer=tokenizer, seed=42)
    assert (len(data.train), len(data.test)) == (4096, 256)
    assert set(data.train.column_names) == {"prompt", "answer"}
    assert data.train[0]["prompt"][0]["role"] == "user"


def test_the_zen_has_seventeen_lines_to_train_on_and_two_held_out(tokenizer):
    data = load_data(config("zen"), tokenizer=tokenizer, seed=42)
    assert (len(data.train), len(data.test)) == (17, 2)
    assert all(isinstance(prompt, str) for prompt in data.train["prompt"])


def test_the_gsm8k_pattern_takes_the_final_number(tokenizer, write_rows):
    rows = [{"question": f"q{i}", "answer": f"1+{i}=<<1+{i}={1 + i}>>{1 + i}\n#### {1 + i}"} for i in range(9)]
    cfg = config("gsm8k") | {"path": write_rows(rows), "name": None, "test_size": 0}
    data = load_data(cfg, tokenizer=tokenizer, seed=1)
    assert data.train["answer"][:] == [str(1 + i) for i in range(9)]
    assert [m["role"] for m in data.train[0]["prompt"]] == ["system", "user"]
