"""The verifiers of reasoning-gym, for the problems that `dataset=reasoning_gym` makes."""

from __future__ import annotations

import ast
import json
from functools import lru_cache
from typing import Any

from grpo_cli.data.builtin.reasoning_gym import unpack_entry, verifier
from grpo_cli.rewards.extract import finished_text, is_empty, last_answer_tag, last_boxed
from grpo_cli.rewards.extras import require

# Tasks whose verifiers hand the answer to Python's eval, or to SymPy's parser, which uses eval.
_LITERALS = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
_EXPRESSIONS = frozenset(
    {"countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24", "simple_integration"}
)
_FUNCTIONS = frozenset(
    {"sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "log", "ln", "exp", "sqrt"}
)
_ARITHMETIC = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context, ast.Name)


def reasoning_gym(
    completion: str, entry: str, *, partial: bool = True, prompt_opens_think: bool = False
) -> float | None:
    r"""The score that the task's own verifier gives the completion's answer.

    From "REASONING GYM: Reasoning Environments for Reinforcement Learning with Verifiable Rewards", arXiv
    2505.24760.

    Args:
        completion: the text of one completion.
        entry: the problem, as `dataset=reasoning_gym` writes it into this column.
        partial: whether the verifiers' small scores for wrong answers of the right form count; otherwise
            whatever is below 1.0 is 0.0.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        0.0 to 1.0; 0.0 for an empty answer and for one that the verifier cannot read; None when the row has
        no entry. The answer is the last `<answer>…</answer>`, else the last `\boxed{…}`, else the whole text
        after the reasoning.

    Raises:
        ConfigError: reasoning-gym is not installed.
        ValueError: `entry` is no problem of reasoning-gym.

    Example:
        >>> from grpo_cli.data.builtin.reasoning_gym import reasoning_gym as make
        >>> row = make("leg_counting", size=1, num_test=0)["train"][0]
        >>> reasoning_gym(f"<think>hm</think><answer>{row['answer']}</answer>", row["entry"])
        1.0
        >>> reasoning_gym("<answer>many</answer>", row["entry"], partial=False)
        0.0
    """
    require("reasoning_gym", "reasoning-gym")
    if is_empty(entry):
        return None
    task, options, problem = unpack_entry(entry)
    text = finished_text(completion, prompt_opens_think)
    if text is None:
        return 0.0
    explicit = (found for find in (last_answer_tag, last_boxed) if (found := find(text)) is not None)
    answer = next(explicit, text).strip()
    source = str(problem.get("metadata", {}).get("source_dataset", task))
    if not answer or (answer != problem.get("answer") and not may_be_evaluated(source, answer)):
        return 0.0
    judge = _verifier(task, json.dumps(options, sort_keys=True))
    try:
        score = float(judge.score_answer(answer, problem))
    except Exception:  # the verifiers say in many ways that they cannot read an answer
        return 0.0
    return min(max(score, 0.0), 1.0) if partial or score >= 1.0 else 0.0


def may_be_evaluated(task: str, answer: str) -> bool:
    """Whether an answer may be given to the verifier of a task.

    Some verifiers evaluate it as Python; a completion must not get to run code that way.

    Example:
        >>> may_be_evaluated("countdown", "(3+4)*2"), may_be_evaluated("countdown", "open('x').read()")
        (True, False)
        >>> may_be_evaluated("n_queens", "[[1]]"), may_be_evaluated("n_queens", "[exit()]")
        (True, False)
    """
    if task not in _LITERALS | _EXPRESSIONS:
        return True
    if len(answer) > 10_000:
        return False
    try:
        if task in _LITERALS:
            ast.literal_eval(answer)
            return True
        return all(map(_is_arithmetic, ast.walk(ast.parse(answer, mode="eval"))))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def _is_arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and not node.keywords
    if isinstance(node, ast.Name):
        return not node.id.startswith("_")
    return isinstance(node, _ARITHMETIC)


@lru_cache(maxsize=256)
def _verifier(task: str, options: str) -> Any:
    return verifier(task, json.loads(options))


def preload() -> None:
    """Import the tasks, which the first call would."""
    import reasoning_gym  # noqa: F401
