from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from grpo_cli.config.targets import find_source
from grpo_cli.rewards.check import check_rewards
from grpo_cli.rewards.source import reward_sources

ROOT = Path(__file__).resolve().parents[2]
FORMAT = "grpo_cli.rewards.form:format"


def test_nothing_wrong(my_rewards):
    cfg = {
        "form": {"target": FORMAT, "weight": 0.5, "strict": False, "pattern": None},
        "mine": {"target": "my_rewards.py:one", "weight": 1, "tone": "cold"},
        "polite": {"target": "my_rewards.py:Polite", "scale": 2},
        "made": {"target": "my_rewards.py:factory", "size": 2},
        "partial": {"target": "my_rewards.py:warm"},
        "trl": {"target": "trl.rewards:think_format_reward"},
    }
    assert check_rewards(cfg) == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (None, "must be a section with a target"),
        ({"weight": 0.2}, "select it, reward=[…,mine]"),
        ({"target": "???"}, "has no target"),
        ({"target": FORMAT, "weight": "heavy"}, "weight must be a number, not 'heavy'"),
        ({"target": FORMAT, "weight": True}, "weight must be a number"),
        ({"target": FORMAT, "weight": float("nan")}, "weight must be a number"),
        ({"target": FORMAT, "weight": 0}, "all weights are 0"),
        ({"target": FORMAT, "correctness": "yes"}, "correctness must be true or false"),
        ({"target": "my_rewards.py"}, "names no function"),
        ({"target": "mine_rewards.py:one"}, "there is no file"),
        ({"target": "my_rewards.py:oen"}, "did you mean 'one'"),
        ({"target": "my_reward:one"}, "there is no module 'my_reward'"),
        ({"target": FORMAT, "patern": "a"}, "reward.mine.patern: .* did you mean 'pattern'"),
        ({"target": FORMAT, "form": "think_anser"}, "form must be one of 'think_answer', 'think'"),
        ({"target": FORMAT, "strict": "maybe"}, "strict must be bool, not 'maybe'"),
        ({"target": FORMAT, "form": "regex"}, "form: regex needs a pattern"),
        ({"target": FORMAT, "form": "regex", "pattern": "("}, "is no regular expression"),
        (
            {"target": "grpo_cli.rewards.length:length", "target_length": 2.5},
            "must be one of int, None, not 2.5",
        ),
        ({"target": "grpo_cli.rewards.length:length", "scale": 0}, "scale must be positive"),
        (
            {"target": "grpo_cli.rewards.repetition:repetition", "max_penalty": 1},
            "max_penalty must be 0 or less",
        ),
        (
            {"target": "grpo_cli.rewards.reward_model:RewardModel", "model": "???"},
            "reward.mine.model must be set; write reward.mine.model=<value>",
        ),
        (
            {"target": "grpo_cli.rewards.reward_model:RewardModel", "model": "m", "batchsize": 1},
            "did you mean",
        ),
        ({"target": "my_rewards.py:batch", "answr": "5"}, "did you mean 'answer'"),
    ],
)
def test_what_is_wrong_is_said(my_rewards, entry, message):
    problems = check_rewards({"mine": entry})

    assert len(problems) == 1
    assert problems[0].startswith("reward.mine")
    assert re.search(message.replace("[…,", r"\[…,"), problems[0]), problems[0]


def test_no_reward_at_all():
    assert check_rewards({})[0].startswith("No reward is chosen")
    assert check_rewards(None)[0].startswith("No reward is chosen")


def test_a_users_file_is_not_run(my_rewards):
    (my_rewards / "loud.py").write_text("print('ran'); 1 / 0\ndef one(completion): return 1.0\n")

    assert check_rewards({"mine": {"target": "loud.py:one"}}) == []
    assert reward_sources({"mine": {"target": "loud.py:one"}})["mine"]["sha256"]


def test_sources(my_rewards):
    file = my_rewards / "my_rewards.py"
    sources = reward_sources(
        {
            "file": {"target": "my_rewards.py:one"},
            "module": {"target": "my_rewards:one"},
            "ours": {"target": FORMAT},
            "lost": {"target": "nowhere:one"},
        }
    )

    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert sources["file"] == {"target": "my_rewards.py:one", "file": str(file.resolve()), "sha256": digest}
    assert sources["module"]["sha256"] == digest
    assert sources["ours"]["file"].endswith("form.py")
    assert sources["lost"] == {"target": "nowhere:one", "file": None, "sha256": None}


def test_a_package_is_found_without_being_run(my_rewards):
    package = my_rewards / "loudpackage" / "inner"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("1 / 0\n")
    (package / "rewards.py").write_text("def one(completion): return 1.0\n")

    assert find_source("loudpackage.inner.rewards:one") == (package / "rewards.py").resolve()


def test_everything_here_is_light():
    code = (
        "import sys; import grpo_cli.rewards.build, grpo_cli.rewards.check, grpo_cli.rewards.reward_model\n"
        "from grpo_cli.rewards.check import check_rewards\n"
        "from grpo_cli.rewards.source import reward_sources\n"
        "cfg = {'a': {'target': 'trl.rewards:think_format_reward'},\n"
        "       'b': {'target': 'grpo_cli.rewards.form:format'}}\n"
        "assert check_rewards(cfg) == [], check_rewards(cfg)\n"
        "assert reward_sources(cfg)['a']['sha256']\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'numpy', 'accelerate'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
