"""A real run with judged rewards, and with a model of its own beside the policy."""

from __future__ import annotations

import pytest
from local_service import Answer, scores, serving
from real_runs import SHORT, read_records
from tiny_text_models import decoder_sizes, save

KEY = "sk-Very5ecret0123456789"


@pytest.fixture
def run(cli, tmp_path):
    """Run grpo-train on rewards that ask a server, its key in the environment."""

    def go(server, *overrides):
        return cli(
            *SHORT,
            "training.max_steps=2",
            "training.num_generations=8",
            "reward.llm_judge.model=tiny-judge",
            f"reward.llm_judge.base_url={server.url}/v1",
            "reward.llm_judge.api_key_env=JUDGE_KEY",
            "reward.llm_judge.input_price=1000",
            "reward.llm_judge.output_price=1000",
            "reward.llm_judge.retries=0",
            *overrides,
            JUDGE_KEY=KEY,
            XDG_CACHE_HOME=str(tmp_path / "cache"),
        )

    return go


def holding(folder, secret):
    return [file for file in folder.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]


@pytest.mark.slow
def test_a_run_with_all_kinds(run, tmp_path):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    lm = save(Qwen2ForCausalLM(Qwen2Config(**decoder_sizes())), tmp_path / "lm")

    def answer(body, number):
        return [len(c) / 100 for c in body["completions"]] if "completions" in body else scores(7)(body, number)

    with serving(answer) as server:
        finished = run(
            server,
            "reward=[llm_judge,remote,distinct_n,self_bleu,rouge,fluency]",
            f"reward.remote.url={server.url}/score",
            "reward.remote.columns=[reference]",
            "reward.remote.api_key_env=JUDGE_KEY",
            "dataset.columns.reference=answer",
            f"reward.fluency.model={lm}",
        )
        assert finished.returncode == 0, finished.stderr
        assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}

    (metrics,) = tmp_path.glob("outputs/**/metrics.jsonl")
    last = read_records(metrics, "train")[-1]
    assert last["rewards/llm_judge/mean"] == pytest.approx(0.7)
    assert 0 < last["rewards/fluency/mean"] < 1
    assert last["rewards/remote/mean"] > 0
    assert 0 <= last["rewards/rouge/mean"] <= 1
    assert last["llm_judge/cost_total"] > 0
    assert holding(tmp_path, "tiny-judge")
    assert not holding(tmp_path, KEY)
    assert KEY not in finished.stdout + finished.stderr


@pytest.mark.slow
def test_a_refused_key_ends_the_run_and_is_nowhere(run, tmp_path):
    with serving(lambda body, number: Answer(status=401, body=f"wrong key {KEY}")) as server:
        finished = run(server, "reward=[llm_judge]")

    assert finished.returncode == 1
    assert "refuses all requests (HTTP 401: wrong key [key])" in " ".join((finished.stdout + finished.stderr).split())
    assert KEY not in finished.stdout + finished.stderr
    assert not holding(tmp_path, KEY)
