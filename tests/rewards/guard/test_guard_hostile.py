"""Every reward of our own over every hostile completion: none hangs, none fails."""

import inspect
import math
import time

import pytest
from omegaconf import OmegaConf
from real_runs import REPOSITORY
from rewards.hostile import HOSTILE

from grpo_cli.config.importer import import_target
from grpo_cli.data.builtin.reasoning_gym import reasoning_gym
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.rewards.guard.limits import Limits
from grpo_cli.rewards.guard.placement import place

TIMEOUT = 0.5
# What a row holds for rewards that want more than a text.
COLUMNS = {
    "choices": ["41", "42"],
    "schema": {"type": "object", "properties": {"a": {"type": "integer"}}},
    "pattern": r"(\d+,?)+$",
    "language": "en",
    "budget": 50,
    "tests": ["assert f(1) == 42"],
    "entry": reasoning_gym("leg_counting", size=1, num_test=0)["train"][0]["entry"],
}
# Wants settings that only a run has.
SETTINGS = {"overlong": {"max_length": 100, "buffer": 20}, "cosine_length": {"max_length": 100}}


def pure_rewards():
    """Those of conf/reward that are functions on text and have all their settings."""
    entries = {}
    for file in sorted((REPOSITORY / "conf" / "reward").glob("*.yaml")):
        entry = OmegaConf.to_container(OmegaConf.load(file))
        entry |= {key: value for key, value in SETTINGS.get(file.stem, {}).items() if key in entry}
        if "???" not in entry.values() and inspect.isfunction(import_target(entry["target"])):
            (reward,) = build_rewards({file.stem: entry}, context=RewardContext())
            if place(reward, Limits.of(entry).isolate).where == "workers":
                entries[file.stem] = {**entry, "timeout": TIMEOUT, "on_error": "skip", "max_failure_rate": 1.0}
    return entries


def test_the_set_is_what_it_says():
    assert len(HOSTILE) >= 60
    assert len(set(HOSTILE.values())) == len(HOSTILE)
    assert max(map(len, HOSTILE.values())) >= 900_000


@pytest.mark.slow
def test_no_reward_of_ours_hangs_or_fails(tmp_path):
    entries = pure_rewards()
    assert {"exact_match", "math", "json_schema", "regex", "code_tests", "overlong", "self_bleu"} <= entries.keys()
    rewards = build_rewards(entries, context=RewardContext())
    completions = list(HOSTILE.values())
    n = len(completions)
    columns = {name: [COLUMNS.get(name, "42")] * n for reward in rewards for name in reward.columns}
    with Guard(rewards, entries, context=RewardContext(), failures=tmp_path / "failures.jsonl") as guard:
        guard.rewards[0](["1+1?"], ["warm"], [[1]], **{name: [COLUMNS.get(name, "42")] for name in columns})
        started = time.perf_counter()
        guard.begin(["1+1?"] * n, completions, [[1]] * n, columns)
        for reward in guard.rewards:
            scores = reward(["1+1?"] * n, completions, [[1]] * n, **columns)
            assert len(scores) == n
            assert all(score is None or math.isfinite(score) for score in scores)
        took = time.perf_counter() - started
        counts = guard.take_counts().values()
        hung = sum(count.timeouts for count in counts)
        assert hung > 0
        failures = tmp_path / "failures.jsonl"
        said = failures.read_text(encoding="utf-8") if failures.exists() else ""
        assert '"kind": "error"' not in said and '"kind": "died"' not in said, said[:2000]
        worked = sum(count.seconds for count in counts) - hung * TIMEOUT
        assert took < TIMEOUT * math.ceil(hung / guard.workers) + 1 + 2 * worked / guard.workers


def test_they_cross_to_the_workers_and_back_unharmed(tmp_path):
    (tmp_path / "echo.py").write_text("def echo(completion, answer):\n    return float(completion == answer)\n")
    entries = {"echo": {"target": f"{tmp_path / 'echo.py'}:echo"}}
    completions = list(HOSTILE.values())
    n = len(completions)
    with Guard(build_rewards(entries, context=RewardContext()), entries, context=RewardContext()) as guard:
        assert guard.rewards[0](["p"] * n, completions, None, answer=list(completions)) == [1.0] * n
        assert guard.rewards[0](["p"] * n, completions, None, answer=["-"] * n) == [0.0] * n
