import itertools

import pytest

from grpo_cli.evaluation.metrics import evaluation_rewards, is_metric, metric_names
from grpo_cli.evaluation.summary import Measures, prompt_table, summarise
from grpo_cli.runs.completions import completion_records

EXACT = {"target": "grpo_cli.rewards.correctness:exact_match", "correctness": True}
BOTH = Measures(rewards=["exact_match", "format"], correctness=["exact_match"])


def config(**evaluation):
    return {"reward": {"exact_match": EXACT, "format": {"target": "x:y"}}, "evaluation": evaluation}


def records():
    return completion_records(
        step=5,
        prompts=["a", "b", "c"],
        completions=["1", "2", ""],
        rewards={"exact_match": [1.0, 0.0, None], "format": [0.5, float("nan"), 1.0]},
        weights={"exact_match": 1.0, "format": 0.2},
        group_size=1,
        facts=[{"length": n, "truncated": n > 2, "columns": {}} for n in (1, 2, 3)],
    )


def summary_of(records, measures=BOTH, **more):
    return summarise(prompt_table(records, measures), measures, "held_out", **more)


def test_summary_has_the_names_announced_before_the_run():
    both = config(reward={"exact_match": EXACT, "format": {"target": "x:y"}})
    found = summary_of(records())
    assert [name for name in found if not name.endswith(("_low", "_high"))] == metric_names(both)
    assert all(is_metric(both, name) for name in found)


def test_an_evaluation_is_scored_by_what_tells_right_from_wrong():
    assert list(evaluation_rewards(config())) == ["exact_match"]
    assert list(evaluation_rewards({"reward": {"length": {}, "format": {}}, "evaluation": {}})) == ["length", "format"]
    assert list(evaluation_rewards(config(reward={"judge": {}}))) == ["judge"]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("eval/held_out/accuracy", True),
        ("eval/held_out/accuracy_gain_low", True),
        ("eval/hard/pass@4", True),
        ("eval/hard/level=5/maj@4_high", True),
        ("eval/hard/pass@8", False),
        ("eval/easy/accuracy", False),
        ("eval/hard/topic=algebra/accuracy", False),
        ("eval/held_out/format", False),
        ("reward", False),
    ],
)
def test_every_name_is_known_before_the_run(name, known):
    assert is_metric(config(datasets={"hard": "rows.jsonl"}, tags=["level"], samples=4), name) is known


def test_without_a_baseline_there_is_no_gain():
    assert not is_metric(config(baseline=False), "eval/held_out/accuracy_gain")


def test_abstentions_count_neither_as_right_nor_as_wrong():
    summary = summary_of(records())
    assert summary["eval/held_out/accuracy"] == 0.5
    assert summary["eval/held_out/format"] == 0.75
    assert summary["eval/held_out/truncated"] == pytest.approx(1 / 3)
    assert summary["eval/held_out/reward"] == pytest.approx(((1.0 + 0.1) + 0.0 + 0.2) / 3)


def sampled(verdicts, answers=None, levels=None, step=0):
    """One record per sample; `verdicts` is a list per prompt."""
    count = len(verdicts[0])
    flat = [*itertools.chain(*verdicts)]
    return completion_records(
        step=step,
        prompts=[f"prompt {i}" for i in range(len(verdicts)) for _ in range(count)],
        completions=[f"<answer>{a}</answer>" for a in (answers or flat)],
        rewards={"exact_match": [float(v) for v in flat]},
        weights={"exact_match": 1.0},
        group_size=count,
        facts=[
            {"length": 5, "truncated": False, "columns": {"answer": "1", "level": (levels or [1])[i // count]}}
            for i in range(len(flat))
        ]
        if levels
        else [{"length": 5, "truncated": False, "columns": {"answer": "1"}}] * len(flat),
    )


def test_several_samples_give_pass_maj_and_best():
    from grpo_cli.evaluation.answers import answer_reader

    reader = answer_reader({"exact_match": EXACT})
    measures = Measures(rewards=["exact_match"], correctness=["exact_match"], k=(2, 4), reader=reader)
    # The first prompt is right twice, and its wrong answers scatter; the second is right once.
    records = sampled([[1, 1, 0, 0], [1, 0, 0, 0]], answers=["1", "1.0", "2", "3", "1", "4", "4", "5"])
    summary = summary_of(records, measures)
    assert summary["eval/held_out/accuracy"] == 3 / 8
    assert summary["eval/held_out/pass@2"] == pytest.approx(((1 - 1 / 6) + 1 / 2) / 2)
    assert summary["eval/held_out/pass@4"] == 1.0
    assert summary["eval/held_out/maj@4"] == 0.5
    assert summary["eval/held_out/best@4"] == 1.0


def test_tags_split_the_metrics():
    measures = Measures(rewards=["exact_match"], correctness=["exact_match"], tags=["level"])
    summary = summary_of(sampled([[1], [1], [0], [0], [1]], levels=[1, 1, 1, "a/b", "a/b"]), measures)
    assert summary["eval/held_out/accuracy"] == 0.6
    assert summary["eval/held_out/level=1/accuracy"] == pytest.approx(2 / 3)
    assert summary["eval/held_out/level=a_b/accuracy"] == 0.5
    assert summary["eval/held_out/level=1/accuracy_low"] < 2 / 3 < summary["eval/held_out/level=1/accuracy_high"]


def test_the_gain_is_paired_by_prompt():
    measures = Measures(rewards=["exact_match"], correctness=["exact_match"])
    before = prompt_table(sampled([[i % 2] for i in range(100)]), measures)
    after = sampled([[int(i % 2 or i % 4 == 0)] for i in range(100)], step=5)
    summary = summary_of(after, measures, baseline=before)
    assert summary["eval/held_out/accuracy_gain"] == 0.25
    assert 0.15 < summary["eval/held_out/accuracy_gain_low"] < 0.25 < summary["eval/held_out/accuracy_gain_high"] < 0.35
    two_means = summary["eval/held_out/accuracy_high"] - summary["eval/held_out/accuracy_low"]
    paired = summary["eval/held_out/accuracy_gain_high"] - summary["eval/held_out/accuracy_gain_low"]
    assert paired < 1.1 * two_means  # apart, the difference of two such means would be 1.4 times as wide


def test_a_completion_no_reward_scored_has_no_reward():
    (record,) = completion_records(
        step=1,
        prompts=["a"],
        completions=["b"],
        rewards={"judge": [None]},
        weights={"judge": 1.0},
        group_size=1,
        facts=[{"length": 1, "truncated": False, "columns": {}}],
    )
    assert record["reward"] is None
    assert summary_of([record], Measures(rewards=["judge"]))["eval/held_out/reward"] is None


def test_groups_are_numbered_in_order():
    made = completion_records(
        step=1,
        prompts=["a", "a", "b", "b"],
        completions=["1", "2", "3", "4"],
        rewards={"r": [0.0, 1.0, 0.0, 1.0]},
        weights={"r": 2.0},
        group_size=2,
        facts=[{"length": 1, "truncated": False, "columns": {}}] * 4,
        advantages=[-1.0, 1.0, -1.0, 1.0],
    )
    assert [(r["group"], r["sample"], r["reward"]) for r in made] == [
        (0, 0, 0),
        (0, 1, 2),
        (1, 0, 0),
        (1, 1, 2),
    ]
