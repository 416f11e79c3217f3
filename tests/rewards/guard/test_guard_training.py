"""Real training runs that meet rewards which hang, die and fail, and go on."""

import json
import subprocess
import sys

import pytest
from real_runs import SHORT, environment, read_records

from grpo_cli.rewards.guard.replay import replay

pytestmark = pytest.mark.slow

REWARDS = r"""
import os, re, time

def right(completion, answer):
    number = (re.findall(r"\d+", completion) or ["0"])[-1]
    if number.endswith("3"):
        time.sleep(1000)
    if number.endswith("7"):
        os._exit(1)
    return float(number == answer)

def length(completions, **kwargs):
    kwargs["log_metric"]("longest", max(len(c[0]["content"]) for c in completions))
    return [float(len(c[0]["content"])) for c in completions]

def here(completion, tokenizer):
    return 10**10**10 if completion else 0.0
"""


def test_a_run_meets_hangs_and_deaths_and_finishes(tmp_path, cli):
    (tmp_path / "rewards.py").write_text(REWARDS)
    done = cli(
        *SHORT,
        "reward=[]",
        "+reward.right.target=rewards.py:right",
        "+reward.right.timeout=0.3",
        "+reward.right.max_failure_rate=1.0",
        "+reward.length.target=rewards.py:length",
        "+reward.length.weight=0",
        "launch.num_processes=2",
        "training.per_device_train_batch_size=8",
        "hydra.run.dir=run",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "run"
    assert "reward 'right' took longer than its 0.3 s and was killed on completion" in done.stdout
    train = read_records(run / "metrics.jsonl", "train")
    for statistic in ("min", "max", "none", "timeouts", "errors", "ms"):
        assert all(f"rewards/{name}/{statistic}" in r for r in train for name in ("right", "length")), statistic
    records = read_records(run / "completions" / "train.jsonl")
    failures = read_records(run / "reward_failures.jsonl")
    failed = [r for r in records if r["rewards"]["right"] is None]
    assert failed and {f["kind"] for f in failures} == {"timeout", "died"}
    share = sum(r["rewards/right/timeouts"] + r["rewards/right/errors"] for r in train) / len(train)
    assert share == pytest.approx(len(failed) / len(records))
    assert share == pytest.approx(sum(r["rewards/right/none"] for r in train) / len(train))
    assert all(r["rewards/length/max"] >= r["rewards/length/mean"] >= r["rewards/length/min"] for r in train)
    assert all(r["longest"] > 0 for r in train)
    for record in records:
        assert record["rewards"]["length"] == len(record["completion"][0]["content"])
    assert replay(failures[0]).same


def test_too_many_failures_end_the_run_with_one_sentence(tmp_path, cli):
    (tmp_path / "rewards.py").write_text("def gone(completion):\n    import os\n    os._exit(1)\n")
    done = cli(*SHORT, "reward=rewards.py:gone", "evaluation.baseline=false", "hydra.run.dir=run")

    assert done.returncode == 1
    error = json.loads((tmp_path / "run" / "logs" / "error-rank0.json").read_text())
    said = "reward 'gone': 64 of the last 64 completions failed (64 lost their process), more than "
    assert error["kind"] == "run"
    assert error["message"].startswith(said + "reward.gone.max_failure_rate=0.2 allows; all are in ")


def test_a_reward_that_holds_the_interpreter_of_the_trainer_itself_does_not_hold_it_for_ever(tmp_path):
    (tmp_path / "rewards.py").write_text(REWARDS)
    script = tmp_path / "script.py"
    script.write_text(
        "from grpo_cli.rewards.build import RewardContext, build_rewards\n"
        "from grpo_cli.rewards.guard import here\n"
        "from grpo_cli.rewards.guard.guard import Guard\n"
        "here.GRACE_SECONDS = 0.5\n"
        "cfg = {'here': {'target': 'rewards.py:here', 'timeout': 0.5}}\n"
        "guard = Guard(build_rewards(cfg, context=RewardContext()), cfg, context=RewardContext())\n"
        "guard.rewards[0](['p'], ['x'])\n"
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr and "rewards.py" in done.stderr and "in here" in done.stderr
