from __future__ import annotations

import time

import pytest

from grpo_cli.rewards.code_text import extract_code


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        ("```python\na\n```\nand better:\n```python\nb\n```", "b\n"),
        ("```py\na\n```\n```\n1 2\n```", "a\n"),
        ("```\na\n```\n```text\nits output\n```", "a\n"),
        ("```js\na\n```", "a\n"),
        ("~~~python\na\n~~~", "a\n"),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
        ("  ```Python\n    a\n  ```", "    a\n"),
        ("```python\nx = '```'\n```", "x = '```'\n"),
        ("<think>```python\nold\n```</think>```python\nnew\n```", "new\n"),
        ("<answer>print(1)</answer>", "print(1)"),
        ("print(1)\n", "print(1)"),
        ("<think>print(1)", ""),
        ("```python\na\n```\nor\n```python\ncut off", "a\n"),
        ("```python\ncut off", ""),
        ("", ""),
    ],
)
def test_the_program_is_found(completion, code):
    assert extract_code(completion) == code


def test_reasoning_that_the_prompt_opened_is_no_program():
    assert extract_code("```python\nold\n```</think>```python\nnew\n```", prompt_opens_think=True) == "new\n"
    assert extract_code("```python\nold\n```", prompt_opens_think=True) == ""


@pytest.mark.parametrize("text", ["`" * 1_000_000, "```\n" * 250_000, "~~~python\n" * 100_000, "```python " * 100_000])
def test_a_megabyte_takes_no_time(text):
    before = time.perf_counter()
    extract_code(text)
    assert time.perf_counter() - before < 2
