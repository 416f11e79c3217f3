"""Is this value one that this key can hold, and if not, what was probably meant?"""

from __future__ import annotations

import re
from typing import Any

from grpo_cli.config.field import Field
from grpo_cli.config.ranges import out_of_range
from grpo_cli.config.suggest import nearest, or_list
from grpo_cli.config.types import accepts, describe, show

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def problem(field: Field, value: Any, key: str | None = None) -> str | None:
    """Check one value against its key.

    Args:
        field: the key's declaration.
        value: plain containers and scalars.
        key: the key as the user wrote it, where it differs from the field's own (`reward.format.weight`).

    Returns:
        One sentence, or None where the value is fine.
    """
    key = key or field.key
    if field.auto and value == "auto":
        return None
    if value == "???":
        return f"{key} must be set: {field.help} Write {key}=<value>."
    if field.choices:
        return None if _fits_choice(field, value) else _bad_choice(field, value, key)
    if not accepts(field.kinds, value):
        return _bad_type(field, value, key)
    wrong = out_of_range(field.key, value)
    return f"{key} {wrong}." if wrong else None


def _fits_choice(field: Field, value: Any) -> bool:
    """Tell whether a value is one of the choices; null and booleans only where the type itself has them."""
    if isinstance(value, str) or not accepts([k for k in field.kinds if k.name in ("None", "bool")], value):
        return any(value == c and type(value) is type(c) for c in field.choices or ())
    return True


def _bad_choice(field: Field, value: Any, key: str) -> str:
    choices = [show(c) for c in field.choices or ()] + (["auto"] if field.auto else [])
    meant = nearest(show(value), choices)
    hint = f"; did you mean {meant}?" if meant else "."
    return f"{key} cannot be {show(value)}{hint} Choices: {or_list(choices, 50)}."


def _bad_type(field: Field, value: Any, key: str) -> str:
    expected = describe(field.kinds) + (" or auto" if field.auto else "")
    names = {kind.name for kind in field.kinds}
    if not names - {"None"}:
        return f"{key} cannot be set from a config; leave it out."
    what = f"{key} must be {_article(expected)}, not {_named(value)}"
    if isinstance(value, str) and names & {"int", "float"} and _NUMBER.fullmatch(value.strip()):
        if "float" in names or ("." not in value and "e" not in value.lower()):
            return f"{what}: the quotes make it text; write {key}={value.strip()} without them."
        number = float(value)
        return f"{what}: write {key}={int(number)}." if number == int(number) else f"{what}."
    if isinstance(value, float) and "int" in names and value == int(value):
        return f"{what}: write {key}={int(value)}."
    if isinstance(value, str) and "bool" in names and value.lower() in ("yes", "no", "on", "off", "1", "0"):
        return f"{what}: write {key}={'true' if value.lower() in ('yes', 'on', '1') else 'false'}."
    if isinstance(value, int | float) and "str" in names:
        return f"{what}: quote it, {key}=\"'{show(value)}'\"."
    if isinstance(value, str | int | float) and "list" in names:
        return f"{what}: write '{key}=[{show(value)}]'."
    return f"{what}."


def _article(expected: str) -> str:
    """Put the words of a type into a sentence: "a float or null", "an int"."""
    words = {
        "bool": "true or false", "str": "text", "int": "a whole number", "float": "a number",
        "dict": "a mapping ({key: value, …})", "list": "a list ([a, b, …])",
    }  # fmt: skip
    plural = {"str": "texts", "int": "whole numbers", "float": "numbers", "bool": "booleans"}
    parts = []
    for part in expected.split(" or "):
        if part.startswith("list of "):
            parts.append(f"a list of {plural.get(part[8:], part[8:])}")
        else:
            parts.append(words.get(part, part))
    return " or ".join(parts)


def _named(value: Any) -> str:
    if isinstance(value, str):
        return f"the text '{value}'"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return show(value)
