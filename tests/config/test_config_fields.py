"""Kinds: reading annotations, fitting values."""

from __future__ import annotations

import pytest

from grpo_cli.config.fields import accepts, describe, parse


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [1, 0, -5], [1.0, True, "1", None]),
        ("float", [1, 1.5], [True, "1.5", None]),
        ("bool", [True], [1, "true", None]),
        ("str", ["x", ""], [1, None]),
        ("str | None", ["x", None], [1]),
        ("Optional[int]", [1, None], ["1"]),
        ("list[float] | None", [[1, 2.5], [], None], [["a"], 1.0, [None]]),
        ("dict[str, Any] | str", [{"a": 1}, "x"], [[1], None]),
        ("str | None | Literal[False]", ["x", None, False], [True, 0]),
        ("Any", [1, None, {"a": []}], []),
    ],
)
def test_annotation(annotation: str, good: list, bad: list) -> None:
    kinds = parse(annotation)
    assert [v for v in good if not accepts(kinds, v)] == []
    assert [v for v in bad if accepts(kinds, v)] == []


def test_describe() -> None:
    assert describe(parse("None | list[float]")) == "list of float or null"
    assert describe(parse("Kind | str", {"Kind": ("a", "b")})) == "str"
