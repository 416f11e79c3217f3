"""A reward over HTTP, against a real server on this machine."""

from __future__ import annotations

import asyncio

import pytest
from local_service import Answer, serving

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.rewards.build import RewardContext, build_rewards

KEY = "sk-Very5ecret0123456789"


def build(server, *, opens=False, columns=None, data=None, **options):
    entry = {
        "target": "grpo_cli.rewards.remote:Remote",
        "url": f"{server.url}/score",
        "columns": columns,
        "backoff": 0.01,
        **options,
    }
    return build_rewards({"remote": entry}, context=RewardContext(prompt_opens_think=opens, columns=data))[0]


def score(reward, *completions, prompts=None, **columns):
    prompts = prompts or ["?"] * len(completions)
    return asyncio.run(reward(prompts, list(completions), None, trainer_state=None, **columns))


def lengths(body, number):
    return [len(text) for text in body["completions"]]


def test_completions_go_out_in_batches_and_scores_come_back_in_order():
    with serving(lengths) as server:
        assert score(build(server, batch_size=2), *("a" * n for n in range(5))) == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert sorted(len(asked.body["completions"]) for asked in server.asked) == [1, 2, 2]
        assert {asked.path for asked in server.asked} == {"/score"}


def test_what_is_sent():
    chat = [{"role": "user", "content": "?"}]
    said = [{"role": "assistant", "reasoning_content": "hm", "content": "845"}]
    with serving(lambda body, n: {"scores": [1]}) as server:
        reward = build(server, columns=["answer"], data=["prompt", "answer", "level"])
        assert score(reward, said, prompts=[chat], answer=["845"], level=[3]) == [1.0]
        assert server.asked[0].body == {
            "prompts": [chat],
            "completions": ["<think>hm</think>845"],
            "columns": {"answer": ["845"]},
        }


def test_null_leaves_a_completion_out():
    with serving(lambda body, n: [None, 0.5]) as server:
        assert score(build(server), "a", "b") == [None, 0.5]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1, 2, 3], "replied with 3 scores for 2 completions"),
        ({"scores": []}, "replied with 0 scores for 2 completions"),
        ({"score": [1, 2]}, r"must reply with a list of 2 numbers.*it replied \{'score': \[1, 2\]\}"),
        (7, "must reply with a list"),
        (["a", 1], "replied with 'a', which is no finite number"),
        ([True, 1], "replied with True"),
        (Answer("[NaN, 1]"), "replied with nan"),
        (Answer("[1e999, 1]"), "replied with inf"),
        ([10**400, 1], "replied with 1000000"),
        (Answer("oops"), "failed after 4 tries: the reply is no JSON: oops"),
        (Answer(status=500), "failed after 4 tries: HTTP 500"),
        (Answer(status=404), "refuses all requests"),
        (Answer(disconnect=True), "failed after 4 tries"),
        (Answer([1, 2], delay=0.5), r"no reply within 0\.1 s"),
    ],
)
def test_what_is_wrong_is_named(answer, message):
    with serving(lambda body, n: answer) as server, pytest.raises(RunError, match=message):
        score(build(server, request_timeout=0.1), "a", "b")


def test_it_is_tried_again():
    def busy(body, number):
        return Answer(status=429, headers={"Retry-After": "0.2"}) if number == 0 else lengths(body, number)

    with serving(busy) as server:
        assert score(build(server), "ab") == [2.0]
        first, second = (asked.at for asked in server.asked)
    assert second - first >= 0.2


def test_a_failed_batch_stops_the_others():
    def answer(body, number):
        return Answer(status=400) if body["completions"] == ["bad"] else Answer([1], delay=0.1)

    with serving(answer) as server:
        with pytest.raises(RunError, match="HTTP 400"):
            score(build(server, batch_size=1, concurrency=2), *["fine"] * 2, "bad", *["fine"] * 30)
        assert len(server.asked) < 10


def test_the_key_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with serving(lengths) as server:
        score(build(server, api_key_env="MY_KEY", api_key_header="X-Token"), "a")
        assert server.asked[0].headers["x-token"] == KEY


def test_wrong_settings():
    with serving(lengths) as server:
        with pytest.raises(ConfigError, match="needs the column 'gold'"):
            build(server, columns=["gold"], data=["prompt", "answer"])
        with pytest.raises(ConfigError, match=r"columns must be a list: \[answer\]"):
            build(server, columns="answer")
        with pytest.raises(ConfigError, match="batch_size must be 1 or more"):
            build(server, batch_size=0)
