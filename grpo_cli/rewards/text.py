"""From what a trainer hands over (strings or message lists) to the text that a reward reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

THINK, END_THINK = "<think>", "</think>"

# Where chat-template parsers put the reasoning they took out of `content`.
_REASONING_KEYS = ("reasoning_content", "thinking", "reasoning")


def completion_text(completion: Any, prompt_opens_think: bool = False) -> str:
    """The text that the model wrote.

    Only assistant messages count: a tool's output stands in the completion too, but the model did not
    write it, and a right answer printed by a tool must not score as the model's.

    Args:
        completion: a string, or the messages of a conversational completion.
        prompt_opens_think: whether the prompt ended in an open `<think>`; reasoning that a chat-template
            parser took out of the text is then put back without the opening tag, as the model wrote it.

    Returns:
        The text; several assistant turns are joined by a newline, missing content is empty.

    Example:
        >>> completion_text("845")
        '845'
        >>> completion_text([{"role": "assistant", "content": None}, {"role": "tool", "content": "845"}])
        ''
        >>> completion_text([{"role": "assistant", "reasoning_content": "hm", "content": "845"}])
        '<think>hm</think>845'
    """
    if completion is None:
        return ""
    if isinstance(completion, str):
        return completion
    if isinstance(completion, Mapping):
        completion = [completion]
    turns: list[str] = []
    for message in completion:
        if message.get("role", "assistant") != "assistant":
            continue
        reasoning = next((message[key] for key in _REASONING_KEYS if message.get(key)), "")
        if reasoning:
            opening = "" if prompt_opens_think and not turns else THINK
            reasoning = f"{opening}{reasoning}{END_THINK}"
        turns.append(reasoning + content_text(message.get("content")))
    return "\n".join(turn for turn in turns if turn)


def content_text(content: Any) -> str:
    """The text of a message's `content`: a string, None, or a list of parts of which the text ones count.

    Example:
        >>> content_text([{"type": "text", "text": "a cat"}, {"type": "image"}])
        'a cat'
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts = (part if isinstance(part, str) else part.get("text") for part in content)
        return "".join(part for part in parts if part)
    return str(content)


def leaves_think_open(text: str) -> bool:
    """Whether `text` ends inside a `<think>` that nothing closed.

    Example:
        >>> leaves_think_open("What is 1+1?<think>"), leaves_think_open("<think></think>")
        (True, False)
    """
    return text.rfind(THINK) > text.rfind(END_THINK)


def row_opens_think(prompt: Any, template_opens: bool) -> bool:
    """Whether the completion of this prompt starts inside a `<think>` that was opened for it.

    Args:
        prompt: plain text, or messages to which the chat template is applied.
        template_opens: whether the template's generation prompt ends in an open `<think>`
            (`prompt_opens_think`).

    Returns:
        For messages the template's own habit; for plain text, and for messages that end in the
        beginning of an assistant's answer, what that text says.

    Example:
        >>> row_opens_think([{"role": "user", "content": "1+1?"}], True)
        True
        >>> row_opens_think("1+1?", True), row_opens_think("1+1? <think>", False)
        (False, True)
    """
    if isinstance(prompt, str):
        # The tag must be the prompt's end: a question may well mention <think>.
        return prompt.rstrip().endswith(THINK)
    if prompt and prompt[-1].get("role") == "assistant":
        return leaves_think_open(content_text(prompt[-1].get("content")))
    return template_opens


def prompt_opens_think(tokenizer: Any, chat_template_kwargs: Mapping[str, Any] | None = None) -> bool:
    """Whether the tokenizer's chat template opens `<think>` for the model (as DeepSeek-R1's does).

    Such a completion starts inside the reasoning and holds no `<think>` of its own; a format reward that
    does not know it gives zero to every completion (trl issue 6966).

    Args:
        tokenizer: has `chat_template` and `apply_chat_template`; None for none.
        chat_template_kwargs: what the trainer passes to the template (`enable_thinking`, …).

    Returns:
        False too where there is no chat template: plain prompts get none.
    """
    if tokenizer is None or not getattr(tokenizer, "chat_template", None):
        return False
    render = dict(chat_template_kwargs or {}, tokenize=False)
    messages = [{"role": "user", "content": "1+1?"}]
    rendered = tokenizer.apply_chat_template(messages, **dict(render, add_generation_prompt=True))
    closed = tokenizer.apply_chat_template(messages, **dict(render, add_generation_prompt=False))
    # Look at the generation prompt alone: a template's system text may mention the tags.
    return leaves_think_open(rendered[len(closed) :] if rendered.startswith(closed) else rendered)
