"""A reward for structured output: valid JSON that keeps to a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from grpo_cli.rewards.extract import finished_text, is_empty, last_answer_tag, last_fenced

_ABSENT = object()


def json_schema(
    completion: str,
    schema: Any,
    *,
    score: Literal["all", "share"] = "all",
    prompt_opens_think: bool = False,
) -> float | None:
    """Whether the completion's JSON keeps to a JSON Schema, or how much of it does.

    Args:
        completion: the text of one completion.
        schema: the schema (a data column, or a constant): a mapping, JSON text, or a path to a JSON file.
            References to other documents (`$ref`) are not followed.
        score: `all`: 1.0 when everything holds, else 0.0. `share`: for an object, the share of the schema's
            properties that are there (where required) and valid, with the rest of the schema as one more.
        prompt_opens_think: whether the completion starts inside a `<think>` of the prompt.

    Returns:
        0.0 to 1.0; 0.0 where there is no valid JSON (NaN and Infinity are none); None when the row has no
        schema. The JSON is the last fenced code block, else the last `<answer>…</answer>`, else the whole text
        after the reasoning.

    Raises:
        ValueError: the schema is none, or its file cannot be read.

    Example:
        >>> person = {"type": "object", "required": ["name", "age"], "properties": {"age": {"type": "integer"}}}
        >>> json_schema('{"name": "Ada", "age": 36}', person), json_schema('{"name": "Ada", "age": "old"}', person)
        (1.0, 0.0)
        >>> round(json_schema('{"name": "Ada", "age": "old"}', person, score="share"), 3)
        0.667
    """
    if score not in ("all", "share"):
        raise ValueError(f"score must be all or share, not {score!r}")
    if is_empty(schema):
        return None
    validator = _validator(schema if isinstance(schema, str) else json.dumps(schema, sort_keys=True))
    value = find_json(completion, prompt_opens_think)
    if value is _ABSENT:
        return 0.0
    from referencing.exceptions import Unresolvable

    try:
        if score == "all":
            return float(validator.is_valid(value))
        return _share(validator, value)
    except RecursionError:
        # Nested deeper than Python can follow: nothing that the schema asked for.
        return 0.0
    except Unresolvable as error:
        raise ValueError(f"schema refers to {error.ref!r}, which is not in it; write it under $defs") from error


def find_json(completion: str, prompt_opens_think: bool = False) -> Any:
    """The JSON value that a completion gives; a marker of its own (`_ABSENT`) when it gives none."""
    text = finished_text(completion, prompt_opens_think)
    if text is None:
        return _ABSENT
    fenced = last_fenced(text)
    place = fenced[1] if fenced else last_answer_tag(text)
    try:
        return json.loads(text if place is None else place, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _ABSENT


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _share(validator: Any, value: Any) -> float:
    schema = validator.schema
    required = schema.get("required", ()) if isinstance(schema, Mapping) else ()
    names = {*required, *schema.get("properties", ())} if isinstance(schema, Mapping) else set()
    wrong = set()
    for error in validator.iter_errors(value):
        missing = error.validator == "required" and not error.absolute_path
        place = error.absolute_path[0] if error.absolute_path else None
        wrong |= {name for name in required if name not in value} if missing else {place if place in names else None}
    if not isinstance(value, dict) and wrong:
        return 0.0
    return 1 - len(wrong) / (len(names) + 1)


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY

    text = schema
    if not text.lstrip().startswith(("{", "true", "false")):
        try:
            text = Path(schema).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"schema file {schema[:200]} cannot be read: {reason}") from error
    try:
        loaded = json.loads(text)
        kind = validator_for(loaded)
        kind.check_schema(loaded)
    except (json.JSONDecodeError, SchemaError, TypeError) as error:
        reason = getattr(error, "message", None) or error
        raise ValueError(f"schema {schema[:60]!r} is no JSON Schema: {reason}") from error
    # This registry fetches nothing from the network.
    return kind(loaded, registry=REGISTRY)


def preload() -> None:
    """Import what the first call would."""
    json_schema("{}", {"type": "object"})
