import pytest
from datasets import Dataset
from trl import GRPOConfig

from grpo_cli.errors import ConfigError
from grpo_cli.runs.folder import RunFolder
from grpo_cli.training.arguments import build_arguments, check_data_size

CPU = {"use_cpu": True, "bf16": False, "report_to": "none"}


def build(tmp_path, **training) -> GRPOConfig:
    return build_arguments(
        {**CPU, **training}, RunFolder(tmp_path), init_kwargs={}, reward_weights=[1.0], trust_remote_code=False
    )


def rows(count):
    return Dataset.from_list([{"prompt": str(i)} for i in range(count)])


def test_checkpoints_go_into_the_run_folder(tmp_path):
    assert build(tmp_path).output_dir == str(tmp_path / "checkpoints")


def test_what_trl_refuses_becomes_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"TRL refuses this combination: .*divisible by num_generations") as caught:
        build(tmp_path, per_device_train_batch_size=3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count, fits", [(1, 8), (3, 24), (4, 32)])
def test_too_few_prompts_are_refused_and_the_advice_works(tmp_path, count, fits):
    with pytest.raises(ConfigError, match=f"training.per_device_train_batch_size={fits}"):
        check_data_size(build(tmp_path, per_device_train_batch_size=40), rows(count))
    check_data_size(build(tmp_path, per_device_train_batch_size=fits), rows(count))


def test_a_stream_needs_to_be_told_its_length(tmp_path):
    with pytest.raises(ConfigError, match="max_steps"):
        check_data_size(build(tmp_path), rows(8).to_iterable_dataset())
    check_data_size(build(tmp_path, max_steps=3), rows(8).to_iterable_dataset())
