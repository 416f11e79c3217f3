import gzip
import json

import pytest

from grpo_cli.data.readers import read_rows
from grpo_cli.errors import ConfigError


def read(path, kind, **options):
    return list(read_rows(path, kind, **options))


@pytest.fixture
def file(tmp_path):
    def write(content, name="data"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_jsonl_keeps_values_as_they_are_and_passes_over_blank_lines(file):
    path = file('\ufeff{"a": "007", "b": {"x": [1, null]}}\r\n\n{"a": "é"}\n')
    assert read(path, "jsonl") == [{"a": "007", "b": {"x": [1, None]}}, {"a": "é"}]


def test_gzip_is_read_by_its_suffix(file):
    path = file(gzip.compress(b'{"a": 1}\n'), "rows.jsonl.gz")
    assert read(path, "jsonl") == [{"a": 1}]
    with pytest.raises(ConfigError, match="no gzip file"):
        read(file("plain", "rows.csv.gz"), "csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": 1}\n{"a": \n', r"data, line 2 is not JSON"),
        ('{"a": 1}\n\n[1]\n', r"data, line 3 is a list, not an object"),
        ('{"a": 1}\nnull\n', r"data, line 2 is null"),
        ('[\n{"a": 1}\n]', r"one JSON document.*dataset.format=json"),
        (b'{"a": "\xff\xfe"}\n', r"not UTF-8 text"),
    ],
)
def test_a_broken_jsonl_line_is_named(file, content, said):
    with pytest.raises(ConfigError, match=said):
        read(file(content), "jsonl")


def test_json_is_a_list_of_rows_or_lines_or_under_a_field(file):
    rows = [{"a": 1}, {"b": 2}]
    assert read(file(json.dumps(rows)), "json") == rows
    assert read(file('{"a": 1}\n{"b": 2}\n'), "json") == rows
    assert read(file(json.dumps({"version": 1, "data": rows})), "json", json_field="data") == rows


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"version": 1, "data": []}', "holds an object, not a list of rows.*dataset.json_field=data"),
        ("3", "holds a number"),
        ('[{"a": 1}, 2]', "row 2 is a number"),
        ('[{"a": 1},\n {"a": }]', "line 2 is not JSON"),
    ],
)
def test_json_that_is_no_list_of_rows_is_refused(file, content, said):
    with pytest.raises(ConfigError, match=said):
        read(file(content), "json")


def test_a_json_field_that_is_missing_is_named(file):
    with pytest.raises(ConfigError, match="has no key 'rows'"):
        read(file("{}"), "json", json_field="rows")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_finds_its_delimiter_and_keeps_cells_as_text(file, delimiter):
    text = delimiter.join(["question", "answer"]) + "\n" + delimiter.join(['"a\nb, c; d"', "007"]) + "\n"
    assert read(file("\ufeff" + text), "csv") == [{"question": "a\nb, c; d", "answer": "007"}]


def test_an_empty_csv_cell_is_missing_and_an_unnamed_column_gets_a_name(file):
    assert read(file(",q\n0,\n"), "csv") == [{"unnamed_0": "0", "q": None}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n1,2,3\n", r"line 3 has 3 cells where the header has 2.*dataset.delimiter"),
        ("a,b\n1\n", r"line 2 has 1 cells"),
        ("a,a\n1,2\n", r"two columns 'a'"),
    ],
)
def test_a_ragged_csv_is_refused_with_its_line(file, content, said):
    with pytest.raises(ConfigError, match=said):
        read(file(content), "csv")


def test_text_gives_a_row_a_line(file):
    assert read(file("one\r\n\ntwo"), "text") == [{"text": "one"}, {"text": "two"}]
