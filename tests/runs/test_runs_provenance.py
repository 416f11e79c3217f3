import json
import subprocess

import pytest

from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.provenance import add_provenance, git_state, package_versions, redact, write_provenance


@pytest.mark.parametrize(
    "argument, kept",
    [
        ("training.hub_token=hf_abc", "training.hub_token=<redacted>"),
        ("launch.env.WANDB_API_KEY=x", "launch.env.WANDB_API_KEY=<redacted>"),
        ("training.max_completion_length=64", "training.max_completion_length=64"),
        ("model.tokenizer=gpt2", "model.tokenizer=gpt2"),
        ("--cfg", "--cfg"),
    ],
)
def test_secrets_on_the_command_line_are_blanked(argument, kept):
    assert redact(argument) == kept


def test_versions_name_what_the_numbers_depend_on():
    assert {"python", "grpo-train", "torch", "trl", "transformers"} <= package_versions().keys()


def test_git_state_holds_the_commit_and_the_patch(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    git("init", "-b", "main")
    (tmp_path / "reward.py").write_text("a = 1\n")
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / "reward.py").write_text("a = 2\n")
    (tmp_path / "new.txt").write_text("x")
    state, patch = git_state(tmp_path)
    assert state is not None and len(state["sha"]) == 40
    assert (state["branch"], state["dirty"], state["untracked"]) == ("main", True, ["new.txt"])
    assert "-a = 1" in patch and "+a = 2" in patch


def test_outside_a_repository_there_is_no_git_state(tmp_path):
    assert git_state(tmp_path) == (None, "")


def test_facts_known_later_are_merged(tmp_path):
    folder = RunFolder(tmp_path)
    folder.logs.mkdir()
    write_provenance(folder, launch={"kind": "cpu"})
    add_provenance(folder, data={"train": 3})
    written = json.loads(folder.provenance.read_text())
    assert written["launch"] == {"kind": "cpu"} and written["data"] == {"train": 3} and written["command"]
