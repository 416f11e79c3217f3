import json

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.evaluation.blocks import Sampling
from grpo_cli.evaluation.scoring import Scorer, evaluation_guard
from grpo_cli.evaluation.sets import build_sets, chosen_rows, meant_by
from grpo_cli.rewards.build import RewardContext
from grpo_cli.training.evaluating import seen_in_training

SETTINGS = {"held_out": True, "datasets": {}, "limit": None, "seed": 0, "tags": [], "reward": {}}
ADDITION = {
    "generator": "grpo_cli.data.builtin.addition:addition",
    "generator_kwargs": {"num_train": 40, "num_test": 7},
    "columns": {"prompt": "question"},
}
EXACT = {"target": "grpo_cli.rewards.correctness:exact_match", "correctness": True}


def sets_of(samples=1, held_out=None, **settings):
    sampling = Sampling(1.0, 1.0, 0, samples, 0, 8)
    return build_sets(
        {**SETTINGS, **settings},
        held_out,
        tokenizer=None,
        tokenize=lambda prompts: [[len(p)] for p in prompts],
        sampling=sampling,
        seed=0,
    )


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "hard.jsonl"
    lines = [{"prompt": f"{i}+{i}?", "answer": str(2 * i), "level": i % 3, "id": i} for i in range(300)]
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def test_all_rows_are_taken_in_order_where_they_fit():
    assert chosen_rows(5, None, seed=0) == chosen_rows(5, 5, seed=1) == chosen_rows(5, 9, seed=0) == [0, 1, 2, 3, 4]


def test_a_limit_takes_a_sample_that_depends_on_the_seed_alone():
    taken = chosen_rows(1000, 10, seed=0)
    assert taken == chosen_rows(1000, 10, seed=0) == sorted(set(taken))
    assert taken != chosen_rows(1000, 10, seed=1)
    assert taken[-1] > 10


def test_a_test_split_is_taken_where_there_is_one_and_else_all(rows):
    made, read = sets_of(datasets={"sums": ADDITION, "hard": rows}, samples=2)
    assert (made.name, len(made.rows)) == ("sums", 7)
    assert (read.name, len(read.rows), len(read.requests)) == ("hard", 300, 600)
    assert read.columns == ["answer", "level", "id"] and read.rows[5]["prompt"] == "5+5?"


def test_an_entry_may_limit_itself_and_all_are_limited(rows):
    small, other = sets_of(datasets={"small": {"path": rows, "limit": 4}, "other": rows}, limit=9)
    assert (len(small.rows), len(other.rows)) == (4, 9)


def test_a_tag_is_a_column_with_few_values(rows):
    assert sets_of(datasets={"hard": rows}, tags=["level"])
    with pytest.raises(
        ConfigError, match=r"no data set has a column 'levle'; did you mean 'level'\? Columns: answer, id, level\."
    ):
        sets_of(datasets={"hard": rows}, tags=["levle"])
    with pytest.raises(ConfigError, match="the column 'id' of hard has 300 values"):
        sets_of(datasets={"hard": rows}, tags=["id"])


def test_a_metric_of_a_tags_value_that_no_row_has_is_not_measured(rows):
    sets = sets_of(datasets={"hard": rows}, tags=["level"])
    assert meant_by("eval/hard/level=21/accuracy", sets) in ("eval/hard/level=2/accuracy", "eval/hard/level=1/accuracy")
    assert meant_by("eval/hard/level=2/accuracy", sets) is None and meant_by("eval/hard/accuracy", sets) is None


def test_a_data_set_without_what_a_reward_needs_is_refused(tmp_path):
    path = tmp_path / "bare.jsonl"
    path.write_text('{"prompt": "1+1?", "sum": "2"}\n')
    config = {
        "reward": {"right": {**EXACT, "isolate": "here"}},
        "evaluation": {**SETTINGS, "samples": 1, "k": "auto"},
        "guard": None,
    }
    with evaluation_guard(config, RewardContext()) as rewards:
        scorer = Scorer(config, rewards)
        with pytest.raises(ConfigError, match=r"the column 'answer', which the data set bare lacks \(columns: sum\)"):
            scorer.check(sets_of(datasets={"bare": str(path)}))


def test_prompts_that_are_trained_on_are_told(rows):
    (hard,) = sets_of(datasets={"hard": rows}, limit=10)
    from datasets import Dataset

    train = Dataset.from_list([{"prompt": row["prompt"]} for row in hard.rows[:3]] + [{"prompt": "other"}])
    (note,) = seen_in_training([hard], train)
    assert note.startswith("3 of the 10 prompts of the evaluation's data set hard are trained on")
    assert seen_in_training([hard], Dataset.from_list([{"prompt": "other"}])) == []
