import pytest

from grpo_cli.data.template import parse_template
from grpo_cli.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a}+{b}=", "1+x="),
        ("no field", "no field"),
        ('{{"sum": {a}}}', '{"sum": 1}'),
        (r"in \boxed{} for {a}", r"in \boxed{} for 1"),
        ("{ a }{a}", "11"),
        ("{long name}", "L"),
        ("{list}", '["é", 2]'),
    ],
)
def test_fields_are_filled_and_literal_braces_stay(text, expected):
    row = {"a": 1, "b": "x", "long name": "L", "list": ["é", 2]}
    assert parse_template(text).render(row) == expected


def test_a_value_with_braces_is_not_taken_for_a_field():
    assert parse_template("{a}{b}").render({"a": "{b}", "b": "1"}) == "{b}1"


def test_fields_are_listed_once_in_order():
    assert parse_template("{b} {a} {b}").fields == ["b", "a"]


@pytest.mark.parametrize("text", ['Write {"answer": 1}', "open { only", "close } only", "{0}", "{a!r:>3}"])
def test_other_braces_are_refused_with_their_place(text):
    with pytest.raises(ConfigError, match=r"dataset.prompt_template has a brace at character \d+.*write \{\{ and \}\}"):
        parse_template(text)
