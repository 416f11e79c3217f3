import json
import resource

import pytest

from grpo_cli.runs import jsonl


def test_append_then_read_gives_the_records_in_order(tmp_path):
    path = tmp_path / "deep" / "metrics.jsonl"
    jsonl.append(path, {"step": 1}, {"step": 2})
    jsonl.append(path, {"step": 3, "text": "zwölf\n"})
    assert [r["step"] for r in jsonl.read(path)] == [1, 2, 3]
    assert path.read_text().count("\n") == 3


def test_a_torn_last_line_is_skipped_and_does_not_swallow_the_next(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "los')
    jsonl.append(path, {"step": 3})
    assert [r["step"] for r in jsonl.read(path)] == [1, 3]


@pytest.mark.parametrize("value, text", [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf")])
def test_numbers_json_cannot_hold_become_strings(tmp_path, value, text):
    path = tmp_path / "metrics.jsonl"
    jsonl.append(path, {"loss": value, "nested": {"list": [value]}})
    assert json.loads(path.read_text()) == {"loss": text, "nested": {"list": [text]}}


def test_reading_a_missing_file_gives_nothing(tmp_path):
    assert list(jsonl.read(tmp_path / "none.jsonl")) == []


def test_write_atomic_leaves_the_old_file_when_the_new_text_cannot_be_written(tmp_path):
    path = tmp_path / "result.json"
    jsonl.write_atomic(path, "old")
    with pytest.raises(UnicodeEncodeError):
        jsonl.write_atomic(path, "\udcff")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_records_that_do_not_fit_leave_the_file_as_it_was(tmp_path):
    path = tmp_path / "metrics.jsonl"
    jsonl.append(path, {"step": 1})
    before = path.read_text()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            jsonl.append(path, {"step": 2, "completion": "x" * 200})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == before


def test_what_a_killed_writer_left_beside_its_file_is_cleared(tmp_path):
    (tmp_path / ".result.json.123.tmp").write_text("{")
    (tmp_path / ".model.tmp").mkdir()
    jsonl.write_atomic(tmp_path / "result.json", "{}")
    jsonl.clear_unfinished(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".model.tmp", "result.json"]
