"""A user's own reward file, and what the trainer calls a reward with."""

from __future__ import annotations

import pytest

MY_REWARDS = """
import asyncio, functools

def one(completion, answer, tone="warm"):
    return float(tone in completion) + float(answer in completion)

def text_first(text):
    return len(text)

def batch(completions, answer, **kwargs):
    return [float(a in c) for c, a in zip(completions, answer)]

def bare(completions):
    return [float(len(c)) for c in completions]

def seen(prompts, completions, completion_ids, **kwargs):
    seen.kwargs = {"completion_ids": completion_ids, **kwargs}
    return [0.0 for _ in completions]

async def later(completion, delay=0.05):
    await asyncio.sleep(delay)
    return len(completion)

async def later_batch(completions, **kwargs):
    await asyncio.sleep(0)
    return [len(c) for c in completions]

async def later_fails(completion):
    await asyncio.sleep(0 if completion == "no" else 30)
    raise KeyError(completion)

class Polite:
    def __init__(self, word="please", *, scale):
        self.word, self.scale = word, scale
    def __call__(self, completions, **kwargs):
        return [self.scale * (self.word in c) for c in completions]

class PoliteLater:
    async def __call__(self, completion):
        return float("please" in completion)

class NoCall:
    pass

warm = functools.partial(one, tone="hot")
a_number = 3

def factory(size):
    def reward(completions, **kwargs):
        return [size] * len(completions)
    return reward

def misnamed(response, answer):
    return 0.0

def by_position(completions, /):
    return [0.0]

def wants_run(completion, tokenizer, device, seed, prompt_opens_think, log_metric, trainer_state):
    log_metric("seen", 1.0)
    return [tokenizer, device, seed, prompt_opens_think, trainer_state] == ["tok", "cpu", 7, True, "state"]

def divides(completion):
    return 1 / len(completion)

def divides_batch(completions, **kwargs):
    return [1 / len(c) for c in completions]

def leaves(completion):
    raise SystemExit(0)

def gives(completion, value):
    return value

def gives_batch(completions, value):
    return value
"""


@pytest.fixture
def my_rewards(tmp_path, monkeypatch):
    """The folder in which the user stands, with their my_rewards.py in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_rewards.py").write_text(MY_REWARDS, encoding="utf-8")
    return tmp_path
