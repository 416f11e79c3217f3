"""Rewards for how a completion is built: its tags, its steps, its code blocks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grpo_cli.rewards.extract import ANSWER, END_ANSWER, fenced_blocks, finished_text
from grpo_cli.rewards.text import END_THINK, THINK

# A line that begins as an item of a list, or a word that orders an argument.
_STEP = re.compile(
    r"^[ \t]{0,8}(?:\#{0,4}[ ]?\**step[ ]\d{1,3}\b|\d{1,3}[.)]\s|[-*•][ ])|\b(?:first|second|third|next|then|finally),",
    re.IGNORECASE | re.MULTILINE,
)
_ALSO_CALLED = {"python": ("python", "py", "python3"), "javascript": ("javascript", "js"), "bash": ("bash", "sh")}


def tag_count(completion: str, *, tags: Sequence[str] | None = None, prompt_opens_think: bool = False) -> float:
    """The share of tags that stand in the completion exactly once.

    Softer than `format` with `strict: false`: the order does not count, so it leads a model there that has
    not seen the form. (The idea is open-r1's `tag_count_reward`.)

    Args:
        completion: the text of one completion.
        tags: the tags; by default `<think>`, `</think>`, `<answer>`, `</answer>`.
        prompt_opens_think: whether the prompt ended in an open `<think>`, which then counts as written.

    Returns:
        0.0 to 1.0; 0.0 for an empty completion.

    Raises:
        ValueError: there are no tags, or one of them is empty.

    Example:
        >>> tag_count("<think>4+5</think> <answer>9"), tag_count("<b><b></b>", tags=["<b>", "</b>"])
        (0.75, 0.5)
    """
    wanted = [THINK, END_THINK, ANSWER, END_ANSWER] if tags is None else list(tags)
    if not wanted or not all(wanted):
        raise ValueError(f"tags must be a list of texts such as ['<plan>', '</plan>'], not {tags!r}")
    if not completion.strip():
        return 0.0
    text = THINK + completion if prompt_opens_think else completion
    return sum(text.count(tag) == 1 for tag in wanted) / len(wanted)


def reasoning_steps(completion: str, *, enough: int = 3) -> float:
    """How far the completion is written in visible steps.

    Counted are lines that begin with `Step 1`, `1.`, `2)` or a bullet, and the words "First,", "Next,",
    "Then,", "Finally,". (The idea is open-r1's `reasoning_steps_reward`.) It says nothing of what the steps
    are worth: give it a small weight.

    Args:
        completion: the text of one completion.
        enough: so many steps give 1.0.

    Returns:
        `min(1, steps / enough)`.

    Raises:
        ValueError: `enough` is below 1.

    Example:
        >>> reasoning_steps("Step 1: add.\\nStep 2: carry.\\nFinally, 12."), reasoning_steps("12", enough=1)
        (1.0, 0.0)
    """
    if enough < 1:
        raise ValueError(f"enough must be 1 or more, not {enough}")
    found = 0
    for _ in _STEP.finditer(completion):
        found += 1
        if found == enough:
            break
    return found / enough


def code_format(
    completion: str, *, language: str | None = "python", only_one: bool = True, prompt_opens_think: bool = False
) -> float:
    """1.0 when the answer holds a closed, non-empty Markdown code block, else 0.0.

    Args:
        completion: the text of one completion.
        language: what the block must be marked with (common short forms count); None for anything.
        only_one: whether there may be no other block.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        1.0 or 0.0; blocks inside `<think>` do not count. Of several the last must fit.

    Example:
        >>> code_format("Here:\\n```python\\nprint(1)\\n```"), code_format("```\\nprint(1)\\n```")
        (1.0, 0.0)
        >>> code_format("```\\nprint(1)\\n```", language=None)
        1.0
    """
    text = finished_text(completion, prompt_opens_think)
    if text is None:
        return 0.0
    blocks, left_open = fenced_blocks(text)
    if left_open or not blocks or (only_one and len(blocks) > 1):
        return 0.0
    marked, content = blocks[-1]
    if language is not None:
        wanted = language.lower()
        # The rest of the line after the language is an info string: ```python title=…
        if (marked.split() or [""])[0] not in _ALSO_CALLED.get(wanted, (wanted,)):
            return 0.0
    return float(bool(content.strip()))
