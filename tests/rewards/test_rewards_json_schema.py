from __future__ import annotations

import json

import pytest

from grpo_cli.rewards.json_schema import json_schema

SCHEMA = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}, "tags": {"type": "array"}},
    "additionalProperties": False,
}
ADA = '{"name": "Ada", "age": 36}'


@pytest.mark.parametrize(
    "completion",
    [
        ADA,
        f"\n {ADA}\n",
        f"Here it is:\n```json\n{ADA}\n```\nDone.",
        f'```json\n{{"name": 1}}\n```\nBetter:\n```\n{ADA}\n```',
        f"<think>```json\n[]\n```</think><answer>{ADA}</answer>",
    ],
)
def test_where_the_json_stands(completion):
    assert json_schema(completion, SCHEMA) == 1.0


@pytest.mark.parametrize(
    "completion",
    [
        *("", "null", "[]", "{}", '{"name": "Ada"}', '{"name": "Ada", "age": -1}', '{"name": "Ada", "age": NaN}'),
        *(
            f"It is {ADA}",
            f"<think>{ADA}</think>",
            f"<think>{ADA}",
            f"```json\n{ADA}",
            '{"name": "Ada", "age": 36, "x": 1}',
        ),
        *("[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "9" * 100_000),
    ],
)
def test_what_does_not_count(completion):
    assert json_schema(completion, SCHEMA) == 0.0


def test_share_counts_properties_and_the_rest():
    def share(value):
        return json_schema(json.dumps(value), SCHEMA, score="share")

    assert share({"name": "Ada", "age": 36}) == 1.0
    assert share({"name": "Ada", "age": -1}) == 0.75
    assert share({"name": "Ada", "age": 36, "x": 1}) == 0.75
    assert share({"name": 5, "age": "x"}) == 0.5
    assert share({}) == 0.5
    assert share([]) == share(None) == 0.0


def test_a_schema_as_text_and_as_a_file(tmp_path):
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA), encoding="utf-8")

    assert json_schema(ADA, json.dumps(SCHEMA)) == 1.0
    assert json_schema(ADA, str(file)) == 1.0
    assert json_schema(ADA, "") is None and json_schema(ADA, None) is None


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("nowhere.json", "nowhere.json cannot be read: No such file"),
        ("{", "is no JSON Schema"),
        ({"type": "objekt"}, "'objekt' is not valid"),
    ],
)
def test_a_wrong_schema_is_told_before_any_completion(schema, said):
    with pytest.raises(ValueError, match=said):
        json_schema("", schema)


def test_nothing_is_fetched():
    with pytest.raises(ValueError, match=r"http://127\.0\.0\.1:1/x"):
        json_schema("{}", {"$ref": "http://127.0.0.1:1/x"})
