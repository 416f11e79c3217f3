"""Prompt templates: text with {column} fields, {{ and }} standing for literal braces ({} for itself). Light.

`str.format` is not used: it would read `{"a": 1}` as a field called `"a"`, follow attributes and indices, and
name neither the column nor the place in its errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo_cli.errors import ConfigError

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
# A column's name: starts with a letter or underscore, holds no quotes, colons or line breaks.
_NAME = re.compile(r"[^\W\d][\w .\-/]*")


@dataclass(frozen=True)
class Template:
    """A parsed template: literal text at the even places, column names at the odd ones."""

    pieces: tuple[str, ...]

    @property
    def fields(self) -> list[str]:
        """The columns it needs, each once, in order."""
        return list(dict.fromkeys(self.pieces[1::2]))

    def render(self, row: Mapping[str, Any]) -> str:
        """Fill the fields from a row; a list or dict is written as JSON."""
        out = list(self.pieces)
        for i in range(1, len(out), 2):
            value = row[out[i]]
            out[i] = value if isinstance(value, str) else _text(value)
        return "".join(out)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def parse_template(text: str, key: str = "dataset.prompt_template") -> Template:
    """Parse a prompt template.

    Args:
        text: the template.
        key: the config key it came from, for messages.

    Returns:
        The parsed template.

    Raises:
        ConfigError: on a brace that belongs to no `{column}` field, with its place.

    Example:
        >>> parse_template('{question} Answer as {{"answer": 0}}.').render({"question": "1+1?"})
        '1+1? Answer as {"answer": 0}.'
    """
    pieces, literal, end = [], "", 0
    for match in _PIECE.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        whole, name = match.group(0), match.group(1)
        if whole in ("{{", "}}"):
            literal += whole[0]
        elif whole == "{}":  # no column can be meant: `\\boxed{}` in a prompt is what it looks like
            literal += whole
        elif name is not None and _NAME.fullmatch(name.strip()):
            pieces += [literal, name.strip()]
            literal = ""
        else:
            near = text[max(0, match.start() - 12) : match.end() + 12].replace("\n", "\\n")
            raise ConfigError(
                f"{key} has a brace at character {match.start() + 1} that encloses no column name (… "
                f"{near} …): "
                "write {{ and }} for literal braces"
            )
    pieces.append(literal + text[end:])
    return Template(tuple(pieces))
