"""Short real runs of the embedded default, looked at from the outside: what a user finds in the run folder."""

import json
import subprocess

import pytest
from real_runs import SHORT, environment, read_records
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpo_cli.assets import EMBEDDED_MODEL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory, warm_command):
    """The folder of one run, for all that look at a plain one: evaluated at every step, by sampling."""
    folder = tmp_path_factory.mktemp("plain")
    settings = ["evaluation.every=1", "evaluation.temperature=1.0", "training.save_steps=2", "hydra.run.dir=run"]
    command = [*warm_command, *SHORT, *settings]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def test_a_run_leaves_a_folder_that_proves_what_happened(run):
    result = json.loads((run / "result.json").read_text())
    assert (result["status"], result["exit_code"], result["step"]) == ("completed", 0, 4)
    assert result["objective"]["name"] == "eval/held_out/accuracy"
    assert result["objective"]["value"] == result["metrics"]["after"]["eval/held_out/accuracy"]
    provenance = json.loads((run / "provenance.json").read_text())
    assert {"command", "packages", "hardware", "launch", "rewards", "data", "resolved", "git"} <= provenance.keys()
    assert provenance["rewards"]["exact_match"]["sha256"]
    assert provenance["resolved"]["training.bf16"]["value"] is False
    assert [r["step"] for r in read_records(run / "metrics.jsonl", "train")] == [1, 2, 3, 4]
    assert [r["step"] for r in read_records(run / "metrics.jsonl", "eval")] == [0, 1, 2, 3, 4]
    assert {p.name for p in (run / "checkpoints").glob("checkpoint-*")} == {"checkpoint-2", "checkpoint-4"}
    assert "display=plain" in (run / "overrides.yaml").read_text()


def test_every_completion_is_kept_with_its_group_rewards_and_advantage(run):
    records = read_records(run / "completions" / "train.jsonl")
    assert len(records) == 4 * 16
    for start in range(0, len(records), 8):
        group = records[start : start + 8]
        assert len({json.dumps(r["prompt"]) for r in group}) == 1
        assert [r["sample"] for r in group] == list(range(8))
        assert sum(r["advantage"] for r in group) == pytest.approx(0, abs=1e-3)
        for r in group:
            assert r["reward"] == r["rewards"]["exact_match"]
            assert r["length"] > 0 and r["columns"]["answer"]
    evaluated = read_records(run / "completions" / "eval.jsonl")
    assert [r["step"] for r in evaluated] == [step for step in range(5) for _ in range(16)]
    mean = {r["step"]: r["reward"] for r in read_records(run / "metrics.jsonl", "train")}
    for step in range(1, 5):
        rewards = [r["reward"] for r in records if r["step"] == step]
        assert sum(rewards) / len(rewards) == pytest.approx(mean[step])


def test_the_model_loads_with_transformers_alone_and_has_changed(run):
    model = AutoModelForCausalLM.from_pretrained(run / "model")
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    before = AutoModelForCausalLM.from_pretrained(EMBEDDED_MODEL).state_dict()
    assert any((value != before[name]).any() for name, value in model.state_dict().items())
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(EMBEDDED_MODEL).chat_template


def test_an_adapter_is_merged_into_the_saved_model_and_kept_in_the_checkpoints(tmp_path, cli):
    done = cli(*SHORT, "peft=lora", "training.beta=0.04", "training.learning_rate=1e-2", "hydra.run.dir=run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-4" / "adapter_model.safetensors").exists()
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model").state_dict()
    before = AutoModelForCausalLM.from_pretrained(EMBEDDED_MODEL).state_dict()
    assert merged.keys() == before.keys()
    changed = {name for name, value in merged.items() if (value != before[name]).any()}
    assert any("q_proj" in name for name in changed) and not any("embed" in name for name in changed)
    assert "kl" in read_records(tmp_path / "run" / "metrics.jsonl", "train")[-1]


def test_trls_own_evaluation_is_there_under_trls_names(tmp_path, cli):
    settings = ["training.eval_strategy=steps", "training.eval_steps=2", "training.per_device_eval_batch_size=8"]
    done = cli(*SHORT, *settings, "dataset.generator_kwargs.num_test=8", "hydra.run.dir=run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "eval_reward" in read_records(tmp_path / "run" / "metrics.jsonl", "trl_eval")[0]


def test_evaluating_changes_nothing_about_training(run, tmp_path, cli):
    assert cli(*SHORT, "hydra.run.dir=without", "evaluation.baseline=false").returncode == 0
    weights = [(one / "model" / "model.safetensors").read_bytes() for one in (run, tmp_path / "without")]
    assert weights[0] == weights[1]


def test_two_cpu_processes_train_together(tmp_path, cli):
    done = cli(*SHORT, "launch.num_processes=2", "training.per_device_train_batch_size=8", "hydra.run.dir=run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["world_size"] == 2
    records = read_records(tmp_path / "run" / "completions" / "train.jsonl")
    assert len(records) == 4 * 16
    evaluated = read_records(tmp_path / "run" / "completions" / "eval.jsonl")
    assert len(evaluated) == 2 * 16
