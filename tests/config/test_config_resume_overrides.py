import pytest

from grpo_cli.config.command_line import rewrite
from grpo_cli.errors import ConfigError


@pytest.fixture
def run_folder(tmp_path):
    checkpoint = tmp_path / "run" / "checkpoints" / "checkpoint-5"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text("{}")
    (tmp_path / "run" / "overrides.yaml").write_text("- training.beta=0.04\n- seed=7\n")
    return tmp_path / "run"


@pytest.mark.parametrize("what", ["", "checkpoints/checkpoint-5"])
def test_what_the_run_was_started_with_comes_first(run_folder, what):
    resume = f"resume={run_folder / what}"
    assert rewrite([resume, "seed=8"]) == ["training.beta=0.04", resume, "seed=8"]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no overrides\.yaml"):
        rewrite([f"resume={tmp_path}"])
