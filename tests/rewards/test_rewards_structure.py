from __future__ import annotations

import pytest

from grpo_cli.rewards.structure import code_format, reasoning_steps, tag_count


@pytest.mark.parametrize(
    ("completion", "value"),
    [
        ("<think>a</think><answer>b</answer>", 1.0),
        ("</answer><answer></think><think>", 1.0),
        ("<think>a</think>b", 0.5),
        ("<think><think>a</think><answer>b</answer>", 0.75),
        ("b", 0.0),
        ("", 0.0),
    ],
)
def test_tags_that_stand_once(completion, value):
    assert tag_count(completion) == value


def test_the_prompts_tag_counts_as_written():
    assert tag_count("a</think><answer>b</answer>", prompt_opens_think=True) == 1.0
    assert tag_count("<think>a</think><answer>b</answer>", prompt_opens_think=True) == 0.75
    assert tag_count(" ", prompt_opens_think=True) == 0.0


@pytest.mark.parametrize("tags", [[], [""]])
def test_tags_have_to_be_some(tags):
    with pytest.raises(ValueError, match="tags"):
        tag_count("", tags=tags)


@pytest.mark.parametrize(
    ("completion", "steps"),
    [
        ("Step 1: a\nstep 2: b\n**Step 3** c", 3),
        ("1. a\n2. b\n 3) c\n", 3),
        ("- a\n* b\n• c", 3),
        ("First, a. Then, b. Finally, c.", 3),
        ("First, a\n- b", 2),
        ("It is 1.5 - 2.5, at 12.", 0),
        ("---\n***\nfirst of all", 0),
        ("", 0),
    ],
)
def test_steps(completion, steps):
    assert reasoning_steps(completion, enough=10) == steps / 10
    assert reasoning_steps(completion * 9, enough=1) == float(steps > 0)


def test_enough_is_one_or_more():
    with pytest.raises(ValueError, match="enough"):
        reasoning_steps("", enough=0)


CODE = "```python\nprint(1)\n```"


@pytest.mark.parametrize(
    ("completion", "options", "value"),
    [
        (CODE, {}, 1.0),
        (f"<think>{CODE}</think>So:\n{CODE}\nDone.", {}, 1.0),
        (CODE.replace("python", "py"), {}, 1.0),
        (CODE.replace("python", "Python title=x"), {}, 1.0),
        (CODE.replace("python", "js"), {}, 0.0),
        (CODE.replace("python", "js"), {"language": "javascript"}, 1.0),
        (CODE.replace("python", ""), {}, 0.0),
        (CODE.replace("python", ""), {"language": None}, 1.0),
        (f"{CODE}\n{CODE}", {}, 0.0),
        (f"{CODE}\n{CODE}", {"only_one": False}, 1.0),
        ("```python\n\n```", {}, 0.0),
        ("```python\nprint(1)", {}, 0.0),
        (f"{CODE}\n```python\n", {"only_one": False}, 0.0),
        (f"<think>{CODE}</think>", {}, 0.0),
        (f"<think>{CODE}", {}, 0.0),
        ("print(1)", {}, 0.0),
        ("", {"language": None}, 0.0),
    ],
)
def test_code_blocks(completion, options, value):
    assert code_format(completion, **options) == value
