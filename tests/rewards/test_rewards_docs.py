"""The reward files shown in docs/rewards.md work, in the way that is said there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.check import check_rewards

DOCS = Path(__file__).resolve().parents[2] / "docs" / "rewards.md"


@pytest.fixture
def shown_files(tmp_path, monkeypatch):
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL):
        (tmp_path / name).write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "scores"),
    [
        ({"target": "my_rewards.py:polite", "tone": "formal"}, [0.5, 0.0, 0.0]),
        ({"target": "batch_rewards.py:shortest_right"}, [0.5, 1.0, 0.0]),
        ({"target": "async_rewards.py:judge"}, [1.0, 0.0, 0.0]),
    ],
)
def test_shown_rewards_score(shown_files, options, scores):
    completions = ["It is 845, Sir.", "845", ""]
    reward = build_rewards({"mine": options}, context=RewardContext(columns=["prompt", "answer"]))[0]
    result = reward(["487+358?"] * 3, completions, None, answer=["845"] * 3)

    assert check_rewards({"mine": options}) == []
    assert (asyncio.run(result) if reward.is_async else result) == scores


def test_every_reward_has_its_paragraph():
    text = "\n".join(file.read_text(encoding="utf-8") for file in DOCS.parent.glob("*reward*.md"))
    for file in (DOCS.parents[1] / "conf" / "reward").glob("*.yaml"):
        assert re.search(rf"^##+ `{file.stem}`$", text, re.MULTILINE), file.stem
