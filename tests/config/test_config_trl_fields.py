"""The field table against the installed TRL itself."""

from __future__ import annotations

import dataclasses
import re

import pytest

from grpo_cli.config.other_names import ALIASES, REMOVED, SET_ELSEWHERE, TRL_CLI
from grpo_cli.config.schema import TRAINING_AUTO
from grpo_cli.config.trl_fields import package_dir, read_fields


@pytest.mark.slow
def test_table_is_the_dataclass() -> None:
    from trl import GRPOConfig

    real = dataclasses.fields(GRPOConfig)
    table = read_fields()
    assert list(table) == [f.name for f in real if f.init]
    for field in real:
        default = field.default if field.default is not dataclasses.MISSING else field.default_factory()
        assert table[field.name].default == default, field.name
        told = re.sub(r"\s+", " ", field.metadata.get("help", "")).replace("%%", "%").strip()
        assert table[field.name].help == told, field.name
        stated = field.metadata.get("choices")
        if stated:
            assert table[field.name].choices == tuple(stated), field.name


@pytest.mark.slow
def test_enum_choices_are_the_enums() -> None:
    from transformers.trainer_utils import HubStrategy, IntervalStrategy, SaveStrategy, SchedulerType
    from transformers.training_args import OptimizerNames

    for name, enum in {
        "lr_scheduler_type": SchedulerType,
        "optim": OptimizerNames,
        "eval_strategy": IntervalStrategy,
        "logging_strategy": IntervalStrategy,
        "save_strategy": SaveStrategy,
        "hub_strategy": HubStrategy,
    }.items():
        assert read_fields()[name].choices == tuple(e.value for e in enum)


@pytest.mark.parametrize(
    "name",
    [
        "loss_type",
        "scale_rewards",
        "importance_sampling_level",
        "multi_objective_aggregation",
        "vllm_mode",
        "vllm_importance_sampling_mode",
    ],
)
def test_choices_from_documentation_are_what_the_trainer_compares_with(name: str) -> None:
    source = "".join(
        (package_dir("trl") / file).read_text()
        for file in ("trainer/grpo_trainer.py", "generation/vllm_generation.py", "trainer/grpo_config.py")
    )
    choices = read_fields()[name].choices
    assert choices and read_fields()[name].default in choices
    for choice in choices:
        assert re.search(rf"['\"]{choice}['\"]", source), choice
    attribute = name.removeprefix("vllm_") if name == "vllm_mode" else name
    compared = set(re.findall(rf"(?:self|args)\.{attribute} == [\"'](\w+)[\"']", source))
    for group in re.findall(rf"(?:self|args)\.{attribute} (?:not )?in [\[(]([^\])]*)[\])]", source):
        compared |= set(re.findall(r"[\"'](\w+)[\"']", group))
    assert compared <= set(choices)


def test_types() -> None:
    table = read_fields()
    kinds = {name: {k.name for k in table[name].kinds} for name in table}
    assert kinds["learning_rate"] == {"float"}
    assert kinds["bf16"] == {"bool", "None"}
    assert kinds["reward_weights"] == {"list", "None"}
    assert table["reward_weights"].kinds[0].item[0].name == "float"
    assert kinds["generation_kwargs"] == {"dict", "str", "None"}
    assert kinds["optim"] == {"enum", "str"}


def test_removed_keys_are_gone_and_the_other_tables_name_what_exists() -> None:
    table = read_fields()
    assert [k for k in [*REMOVED, *TRL_CLI] if k in table] == []
    assert [k for k in [*SET_ELSEWHERE, *TRAINING_AUTO] if k not in table] == []
    assert [v for v in ALIASES.values() if v.startswith("training.") and v.removeprefix("training.") not in table] == []
    assert [k for k in ALIASES if k in table] == []
    for _, now in REMOVED.values():
        for key in re.findall(r"training\.(\w+)", now):
            assert key in table, key
