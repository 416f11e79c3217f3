"""Finding the program in a completion."""

from __future__ import annotations

from grpo_cli.rewards.extract import finished_text, last_answer_tag

_FENCES = ("```", "~~~")
_PYTHON = ("python", "python3", "py")


def extract_code(completion: str, prompt_opens_think: bool = False) -> str:
    """The program of a completion: its last fenced block, one marked as Python before one marked otherwise.

    Takes time linear in the text.

    Args:
        completion: the text of one completion.
        prompt_opens_think: whether the prompt opened `<think>`; what stands in there is no answer.

    Returns:
        The block's content. Without any closed fence: the content of `<answer>`, else all of the answer where no fence
        was opened either. Empty where there is no program, as in an answer that was cut off inside a block.

    Example:
        >>> extract_code("```python\\nprint(1)\\n```\\nIt prints:\\n```text\\n1\\n```")
        'print(1)\\n'
        >>> extract_code("<think>```print(2)```"), extract_code("```python\\nprint(3)"), extract_code("print(4)")
        ('', '', 'print(4)')
    """
    text = finished_text(completion, prompt_opens_think)
    if text is None:
        return ""
    python, plain, other, opened = _last_blocks(text)
    found = next((block for block in (python, plain, other) if block is not None), None)
    if found is not None:
        return found
    if opened:
        return ""
    inside = last_answer_tag(text)
    return (text if inside is None else inside).strip()


def _last_blocks(text: str) -> tuple[str | None, str | None, str | None, bool]:
    """The last block marked as Python, the last without a mark, the last with another; whether any was opened."""
    last: dict[str, str] = {}
    fence = mark = ""
    opened = False
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if not fence:
            if bare.startswith(_FENCES):
                opened = True
                fence = bare[: len(bare) - len(bare.lstrip(bare[0]))]
                name = bare[len(fence) :].strip().casefold().split()
                mark = "plain" if not name else "python" if name[0] in _PYTHON else "other"
                lines = []
        elif bare == fence[0] * len(bare) and len(bare) >= len(fence):
            last[mark] = "".join(lines)
            fence = ""
        else:
            lines.append(line)
    return last.get("python"), last.get("plain"), last.get("other"), opened
