from grpo_cli.evaluation.metrics import metric_names, summarise
from grpo_cli.runs.completions import completion_records


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


def test_summary_has_the_names_announced_before_the_run():
    assert list(summarise(records(), ["exact_match"])) == metric_names(["exact_match", "format"], ["exact_match"])


def test_abstentions_count_neither_as_right_nor_as_wrong():
    summary = summarise(records(), ["exact_match"])
    assert summary["eval/held_out/accuracy"] == 0.5
    assert summary["eval/held_out/format"] == 0.75
    assert summary["eval/held_out/truncated"] == 1 / 3
    assert summary["eval/held_out/reward"] == ((1.0 + 0.1) + 0.0 + 0.2) / 3


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
    assert summarise([record], [])["eval/held_out/reward"] is None


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
