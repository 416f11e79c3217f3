import pytest

from grpo_cli.data.columns import RESERVED, plan_columns
from grpo_cli.errors import ConfigError


def test_mapped_columns_are_renamed_and_the_others_stay():
    plan = plan_columns(["question", "solution", "level"], {"prompt": "question", "answer": "solution"})
    assert plan.names == {"prompt": "question", "answer": "solution", "level": "level"}


def test_a_column_can_be_used_twice_and_two_can_swap_names():
    assert plan_columns(["q"], {"prompt": "q", "text": "q"}).names == {"prompt": "q", "text": "q"}
    assert plan_columns(["a", "prompt"], {"prompt": "a", "a": "prompt"}).names == {
        "prompt": "a",
        "a": "prompt",
    }


def test_with_a_template_the_prompts_column_keeps_its_own_name_too():
    plan = plan_columns(["question"], {"prompt": "question"}, fields=["prompt"], has_template=True)
    assert plan.names == {"question": "question"}


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_the_trainers_own_names_are_moved_aside_and_said(name):
    plan = plan_columns(["prompt", name], {})
    assert plan.names == {"prompt": "prompt", f"data_{name}": name}
    assert f"'data_{name}'" in plan.notes[0]
    assert plan_columns(["prompt", name], {"answer": name}).notes == []


@pytest.mark.parametrize(
    ("columns", "mapping", "said"),
    [
        (
            ["question"],
            {"prompt": "quest"},
            r"columns.prompt=quest: the data has no column 'quest'; did you mean 'question'\?",
        ),
        (
            ["question", "b"],
            {},
            r"no column 'prompt' \(columns: question, b\): .*dataset.columns.prompt=question",
        ),
        (
            ["prompt", "q"],
            {"prompt": "q"},
            r"would give two columns 'prompt'.*dataset.columns.other_prompt=prompt",
        ),
        (["prompt", "x"], {"completion_ids": "x"}, r"trainer keeps the name 'completion_ids'"),
        (
            ["prompt", "image"],
            {},
            r"column 'image': images are not supported.*dataset.columns.my_image=image",
        ),
        (["prompt", "completion", "data_completion"], {}, r"column 'completion', a name the trainer keeps"),
    ],
)
def test_what_does_not_fit_is_said(columns, mapping, said):
    with pytest.raises(ConfigError, match=said):
        plan_columns(columns, mapping)


def test_a_template_field_that_is_missing_is_named():
    with pytest.raises(
        ConfigError, match=r"names the column 'questoin'.*did you mean 'question'.*columns: question, n"
    ):
        plan_columns(["question", "n"], {}, fields=["questoin"], has_template=True)


def test_all_problems_are_listed_at_once():
    with pytest.raises(ConfigError) as error:
        plan_columns(["question"], {"prompt": "a", "answer": "b"})
    assert len(error.value.problems) == 2
