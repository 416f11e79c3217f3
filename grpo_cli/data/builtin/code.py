"""Tasks of writing a small Python function, with tests: to try the reward `code_tests` on, with no download."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any

from grpo_cli.data.builtin.code_tasks import INPUTS
from grpo_cli.errors import ConfigError

HELD_OUT = 4  # one task in so many
MOST_TESTS = 100


def code(num_tests: int = 8, seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Make the tasks.

    Args:
        num_tests: assert statements per task, up to 100; a task with fewer different calls has fewer.
        seed: same seed, same tests. The tasks themselves are always the same.

    Returns:
        `{"train": rows, "test": rows}`, 18 and 6 rows
        `{"question": "Write a Python function …", "tests": ["assert count_vowels('Tea') == 2", …]}`.

    Raises:
        ConfigError: `num_tests` is out of its range.
    """
    if not 1 <= num_tests <= MOST_TESTS:
        raise ConfigError(f"code: num_tests is {num_tests}; write a number from 1 to {MOST_TESTS}.")
    rows = [_row(task, num_tests, random.Random(f"{seed}/{task.__name__}")) for task in INPUTS]
    return {
        "train": [row for index, row in enumerate(rows) if index % HELD_OUT != HELD_OUT - 1],
        "test": rows[HELD_OUT - 1 :: HELD_OUT],
    }


def _row(task: Callable[..., Any], num_tests: int, rng: random.Random) -> dict[str, Any]:
    head = f"{task.__name__}({', '.join(inspect.signature(task).parameters)})"
    tests: dict[str, None] = {}
    # Some tasks have fewer different calls than tests are wanted.
    for _ in range(20 * num_tests):
        if len(tests) == num_tests:
            break
        arguments = INPUTS[task](rng)
        expected = task(*arguments)
        call = f"{task.__name__}({', '.join(map(repr, arguments))})"
        comparison = "is" if expected is None or isinstance(expected, bool) else "=="
        tests[f"assert {call} {comparison} {expected!r}"] = None
    question = f"Write a Python function `{head}`.\n{task.__doc__}\nAnswer with the function in a ```python block."
    return {"question": question, "tests": list(tests)}
