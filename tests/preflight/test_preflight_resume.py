"""What is said about resuming, folders and disks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from grpo_cli.preflight.finding import Finding
from grpo_cli.preflight.situation import Situation
from grpo_cli.rewards.source import reward_sources
from grpo_cli.runs.checkpoints import mark_complete
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.result import start_result, update_result
from grpo_cli.runs.resume import fingerprint


@pytest.fixture
def interrupted(tmp_path: Path, situate: Callable[..., Situation]) -> Callable[..., RunFolder]:
    """Leave behind a run of these overrides that was stopped at step 5."""

    def make(*overrides: str, at: str = "outputs/grpo/2026-01-01", world_size: int = 1) -> RunFolder:
        config = situate(*overrides).config
        folder = RunFolder(tmp_path / at)
        start_result(folder, fingerprint=fingerprint(config, reward_sources(config["reward"])), overrides=[])
        update_result(folder, status="interrupted")
        folder.config.write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
        folder.overrides.write_text(OmegaConf.to_yaml(OmegaConf.create(list(overrides))))
        checkpoint = folder.checkpoints / "checkpoint-5"
        checkpoint.mkdir(parents=True)
        mark_complete(checkpoint, world_size, folder)
        return folder

    return make


def codes(found: list[Finding]) -> dict[str, str]:
    return {finding.code: finding.severity for finding in found}


def test_the_run_that_would_be_gone_on_with_is_named(interrupted: Callable, findings: Callable, tmp_path: Path) -> None:
    folder = interrupted("seed=7")
    new = tmp_path / "outputs/grpo/2026-01-02"
    (found,) = findings("seed=7", folder=new)
    assert found.code == "resume.goes_on" and f"{folder.root} from step 5" in found.what
    assert findings("seed=7", "resume=never", folder=new) == []
    assert findings("seed=8", folder=new) == []


def test_what_changed_since_is_shown(interrupted: Callable, findings: Callable) -> None:
    interrupted()
    (found,) = findings("resume=outputs/grpo/2026-01-01", "training.learning_rate=1e-4")
    assert codes([found]) == {"resume.changed": "note"}
    assert "training.learning_rate: 0.0005 → 0.0001" in found.what


def test_a_checkpoint_of_another_model_is_an_error(interrupted: Callable, findings: Callable) -> None:
    interrupted("peft=lora", "peft.r=8")
    (found,) = findings("resume=outputs/grpo/2026-01-01", "peft.r=32")
    assert codes([found]) == {"resume.shape": "error"}
    assert found.fixes == ("peft.r=8", "resume=never")
    assert findings("resume=outputs/grpo/2026-01-01", "peft.r=8") == []


def test_another_number_of_processes_is_a_warning(interrupted: Callable, findings: Callable) -> None:
    interrupted(world_size=2)
    assert codes(findings("resume=outputs/grpo/2026-01-01")) == {"resume.world_size": "warning"}
    found = codes(findings("resume=outputs/grpo/2026-01-01", "launch.num_processes=2"))
    assert found == {"resume.changed": "note"}


def test_disk_is_counted_in_checkpoints(findings: Callable) -> None:
    # Half a MiB of weights, one of optimizer state; 64 MiB are left for the records of the run.
    assert findings(free_bytes=lambda path: 100 * 2**20) == []
    (found,) = findings(free_bytes=lambda path: 64 * 2**20)
    assert (found.code, found.severity) == ("files.disk_space", "error")
    (found,) = findings("training.save_steps=10", free_bytes=lambda path: 67 * 2**20)
    assert found.severity == "warning" and "3 checkpoints of 1.4 MiB" in found.what
    # A hundred steps with the default of 500 between checkpoints write one, at the end.
    assert findings(free_bytes=lambda path: 67 * 2**20) == []
    assert findings("training.save_strategy=no", free_bytes=lambda path: 67 * 2**20) == []


def test_a_folder_with_a_run_is_a_note(interrupted: Callable, findings: Callable, tmp_path: Path) -> None:
    folder = interrupted(at="mine")
    found = findings("seed=3", folder=folder.root, named=True)
    assert codes(found) == {"files.folder_holds_a_run": "note"}
    assert found[0].fixes == ("hydra.run.dir=mine-2",)
