"""One config key: where it lives, what it may hold, what it means.

The types come from annotations, as source text. TRL's fields and our own groups go through the same reader, so both
are held to their types in the same way.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_PLAIN = {"bool", "int", "float", "str", "dict", "list", "None"}
_CONTAINERS = {
    "List": "list",
    "Sequence": "list",
    "tuple": "list",
    "Tuple": "list",
    "Dict": "dict",
    "Mapping": "dict",
}


@dataclass(frozen=True)
class Kind:
    """One alternative of a key's type.

    Args:
        name: bool, int, float, str, dict, list, None, any, literal or enum.
        item: the kinds of a list's items (empty: anything).
        values: the allowed values of a literal or an enum.
    """

    name: str
    item: tuple[Kind, ...] = ()
    values: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Field:
    """A config key.

    Args:
        section: the group it lives in ("training", "model", …); "" for a root key.
        name: the key inside its section.
        kinds: the alternatives of its type.
        default: the value when no config sets it; "???" when it must be given.
        help: what it means, one or a few sentences.
        choices: every allowed value where the set is closed (null is allowed too where the type says so).
        auto: the rule by which the value `auto` is decided, where the key takes `auto` beside its own values.
    """

    section: str
    name: str
    kinds: tuple[Kind, ...]
    default: Any
    help: str
    choices: tuple[Any, ...] | None = None
    auto: str | None = None

    @property
    def key(self) -> str:
        """The key as written on the command line."""
        return f"{self.section}.{self.name}" if self.section else self.name


def parse(node: ast.expr | str, enums: Mapping[str, tuple[str, ...]] | None = None) -> tuple[Kind, ...]:
    """Read a type annotation into its alternatives.

    Args:
        node: the annotation, as source text or already parsed.
        enums: values of the enum classes that annotations name.

    Returns:
        One `Kind` per alternative; what cannot be written in YAML (a class of Python's) is left out,
        and `any` stands alone where nothing is known.
    """
    enums = enums or {}
    if isinstance(node, str):
        node = ast.parse(node, mode="eval").body
    if isinstance(node, ast.BinOp):
        return parse(node.left, enums) + parse(node.right, enums)
    if isinstance(node, ast.Constant):
        return (Kind("None"),) if node.value is None else parse(str(node.value), enums)
    if isinstance(node, ast.Name | ast.Attribute):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name in enums:
            return (Kind("enum", values=enums[name]),)
        name = _CONTAINERS.get(name, name)
        return (Kind(name),) if name in _PLAIN else (Kind("any"),) if name == "Any" else ()
    if isinstance(node, ast.Subscript):
        return _subscript(node, enums)
    return (Kind("any"),)


def _subscript(node: ast.Subscript, enums: Mapping[str, tuple[str, ...]]) -> tuple[Kind, ...]:
    """Read `list[int]`, `Optional[str]`, `Literal[False]` and the like."""
    base = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if base == "Literal":
        return (Kind("literal", values=tuple(ast.literal_eval(e) for e in inner)),)
    if base == "Optional":
        return parse(inner[0], enums) + (Kind("None"),)
    if base == "Union":
        return tuple(kind for e in inner for kind in parse(e, enums))
    base = _CONTAINERS.get(base, base)
    return (Kind("list", item=parse(inner[0], enums)),) if base == "list" else (Kind(base),)


def accepts(kinds: Iterable[Kind], value: Any) -> bool:
    """Tell whether a value from YAML (dict, list, str, int, float, bool, None) fits one of the kinds."""
    return any(_fits(kind, value) for kind in kinds)


def _fits(kind: Kind, value: Any) -> bool:
    name = kind.name
    if name == "any":
        return True
    if name == "None":
        return value is None
    if name in ("literal", "enum"):
        return any(value == v and type(value) is type(v) for v in kind.values)
    if name == "bool":
        return isinstance(value, bool)
    if name == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if name == "list":
        return isinstance(value, list) and (not kind.item or all(accepts(kind.item, v) for v in value))
    return isinstance(value, {"str": str, "dict": dict}[name])


def describe(kinds: Iterable[Kind]) -> str:
    """Name the kinds for a person: "float or null", "list of float or null"."""
    words: list[str] = []
    for kind in sorted(kinds, key=lambda k: k.name == "None"):
        if kind.name == "list" and kind.item:
            word = f"list of {describe(kind.item)}"
        elif kind.name == "literal":
            word = " or ".join(show(v) for v in kind.values)
        else:
            word = {"None": "null", "enum": "str"}.get(kind.name, kind.name)
        if word not in words:
            words.append(word)
    return " or ".join(words)


def show(value: Any) -> str:
    """Write a value as YAML would: null, true, 1e-6, text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if value and value == value.strip() else f"'{value}'"
    return str(value)
