import pytest
from datasets import Dataset

from grpo_cli.data.check import DEFAULTS
from grpo_cli.data.splits import choose, hold_out, sample
from grpo_cli.errors import ConfigError


def rows(prompts):
    return Dataset.from_dict({"prompt": list(prompts), "n": list(range(len(prompts)))})


def pick(splits, **cfg):
    train, test, name = choose({s: rows(p) for s, p in splits.items()}, {**DEFAULTS, **cfg}, "dataset")
    return train["prompt"][:], test and test["prompt"][:], name


def test_auto_takes_test_then_validation_then_none():
    assert pick({"train": "ab", "validation": "c", "test": "d"}) == (["a", "b"], ["d"], "test")
    assert pick({"train": "ab", "validation": "c"}) == (["a", "b"], ["c"], "validation")
    assert pick({"train": "ab", "extra": "c"}) == (["a", "b"], None, "")
    assert pick({"train": "ab", "test": "c"}, test_split=None) == (["a", "b"], None, "")


def test_a_single_split_of_another_name_is_trained_on():
    assert pick({"test": "ab"}) == (["a", "b"], None, "")


def test_a_split_can_be_sliced():
    assert pick({"train": "abcdefghij"}, train_split="train[:80%]", test_split="train[8:]")[:2] == (
        list("abcdefgh"),
        ["i", "j"],
    )


@pytest.mark.parametrize(
    ("cfg", "said"),
    [
        (
            {"train_split": "trian"},
            r"there is no split 'trian' \(splits: train, other\); did you mean 'train'\?",
        ),
        (
            {"test_split": "test"},
            r"dataset.test_split=test: there is no split 'test'.*dataset.test_split=null",
        ),
        ({"test_split": "train"}, "are both 'train'"),
        ({"train_split": "train[a:b]"}, "is no slice"),
    ],
)
def test_a_split_that_does_not_exist_is_named_with_those_that_do(cfg, said):
    with pytest.raises(ConfigError, match=said):
        pick({"train": "ab", "other": "c"}, **cfg)


@pytest.mark.parametrize(("size", "count"), [(0.2, 20), (7, 7), ("auto", 10), (0.001, 1)])
def test_held_out_rows_are_disjoint_seeded_and_of_the_size_asked_for(size, count):
    data = rows([str(i) for i in range(100)])
    train, test, note = hold_out(data, size, 1, "dataset")
    assert len(test) == count and len(train) == 100 - count and note is None
    assert set(train["n"][:]) | set(test["n"][:]) == set(range(100))
    assert train["n"][:] == sorted(train["n"][:])
    assert hold_out(data, size, 1, "dataset")[1]["n"][:] == test["n"][:]
    assert hold_out(data, 20, 1, "dataset")[1]["n"][:] != hold_out(data, 20, 2, "dataset")[1]["n"][:]


def test_equal_prompts_are_never_on_both_sides():
    data = rows([str(i // 4) for i in range(100)])
    train, test, _ = hold_out(data, 0.2, 3, "dataset")
    assert len(test) == 20
    assert not set(train["prompt"][:]) & set(test["prompt"][:])


def test_no_held_out_rows_when_none_are_asked_for_or_possible():
    assert hold_out(rows("abc"), 0, 1, "dataset")[1] is None
    train, test, note = hold_out(rows("aaaa"), "auto", 1, "dataset")
    assert len(train) == 4 and test is None and "no held-out evaluation" in note


@pytest.mark.parametrize("size", [3, 10, 0.99])
def test_holding_everything_out_is_refused(size):
    with pytest.raises(ConfigError, match=r"dataset.test_size=.* would leave nothing to train on"):
        hold_out(rows("abc"), size, 1, "dataset")


def test_a_sample_is_seeded_and_a_smaller_one_is_part_of_it():
    data = rows([str(i) for i in range(50)])
    ten, twenty = sample(data, 10, 1)["n"][:], sample(data, 20, 1)["n"][:]
    assert len(ten) == 10 and set(ten) < set(twenty) and ten == sorted(ten)
    assert sample(data, 10, 2)["n"][:] != ten
    assert len(sample(data, 99, 1)) == len(sample(data, None, 1)) == 50
