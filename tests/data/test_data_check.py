import subprocess
import sys
import time

import pytest

from grpo_cli.data.check import required_data_files, sources_of
from grpo_cli.errors import ConfigError


def said(cfg):
    return " | ".join(required_data_files(cfg))


def test_nothing_is_said_of_what_fits(sums):
    assert required_data_files({"path": sums, "columns": {"prompt": "question"}}) == []
    assert required_data_files({"path": sums, "prompt_template": "{question} ({level})"}) == []
    assert required_data_files({"path": "openai/gsm8k", "columns": {"prompt": "question"}}) == []


@pytest.mark.parametrize(
    ("cfg", "expected"),
    [
        ({"columns": {"prompt": "qestion"}}, "no column 'qestion'; did you mean 'question'?"),
        ({"prompt_template": "{problem}"}, "names the column 'problem', which"),
        ({"prompt_template": '{"a": 1}'}, "write {{ and }} for literal braces"),
        ({}, "has no column 'prompt'"),
        (
            {"columns": {"prompt": "question"}, "answer_pattern": "####(.+"},
            "answer_pattern is no regular expression",
        ),
        (
            {"columns": {"prompt": "question", "gold": "answer"}, "answer_pattern": "x"},
            "answer_pattern needs an 'answer' column",
        ),
        (
            {"columns": {"prompt": "question"}, "test_size": 1.5},
            "test_size=1.5 must be auto, a share below 1, or",
        ),
        (
            {"columns": {"prompt": "question"}, "test_size": 0.5, "streaming": True},
            "a stream's length is not known",
        ),
        ({"columns": {"prompt": "question"}, "limit": 0}, "limit=0 must be a whole number above 0"),
        ({"columns": {"prompt": "question"}, "min_prompt_tokens": 9, "max_prompt_tokens": 5}, "is above"),
        ({"columns": {"prompt": "question"}, "test_split": "train"}, "are both 'train'"),
        ({"generator": "x.py:f"}, "are both set"),
        ({"path": None}, "names no data"),
        ({"path": "???"}, "names no data"),
        (
            {"test_path": "nowhere.jsonl", "columns": {"prompt": "question"}},
            "dataset.test_path: there is no file",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_loaded(sums, cfg, expected):
    assert expected in said({"path": sums, **cfg})


def test_a_generator_is_looked_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gen.py").write_text("def rows(): ...\n")
    assert required_data_files({"generator": "gen.py:rows"}) == []
    assert "dataset.generator: 'gen.py' has no 'row'; did you mean 'rows'?" in said({"generator": "gen.py:row"})


def test_a_column_that_only_later_rows_have_counts(write_rows):
    path = write_rows([{"prompt": "a"}, {"prompt": "b", "hint": "h"}])
    assert required_data_files({"path": path, "columns": {"clue": "hint"}}) == []


def test_a_mixture_gives_its_entries_the_keys_around_them(sums, write_rows):
    other = write_rows([{"prompt": "p"}])
    cfg = {
        "columns": {"prompt": "question"},
        "max_prompt_tokens": 50,
        "limit": 7,
        "mixture": {"sums": {"path": sums, "weight": 2}, "other": {"path": other, "columns": {}}},
    }
    assert required_data_files(cfg) == []
    (_, key, first), (name, _, second) = sources_of(cfg)
    assert (key, name) == ("dataset.mixture.sums", "other")
    assert first["max_prompt_tokens"] == 50 and first["limit"] is None and first["weight"] == 2
    assert second["columns"] == {} and second["weight"] == 1.0


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"path": "x/y", "wieght": 2},
            "dataset.mixture.a.wieght is no key of a mixture's entry; did you mean 'weight'?",
        ),
        ({"path": "x/y", "weight": 0}, "dataset.mixture.a.weight=0 must be a number above 0"),
        ({"weight": 1}, "dataset.mixture.a names no data"),
        (3, "dataset.mixture.a must hold the keys of a data set"),
        ({"path": "gone.jsonl"}, "dataset.mixture.a.path: there is no file"),
    ],
)
def test_a_wrong_entry_of_a_mixture_is_named(entry, expected):
    assert expected in said({"mixture": {"a": entry}})


def test_a_mixture_excludes_a_path(sums):
    with pytest.raises(ConfigError, match=r"dataset.path and dataset.mixture exclude each other"):
        sources_of({"path": sums, "mixture": {"a": sums}})


def test_checking_is_light_and_quick(write_rows):
    path = write_rows([{"question": "q" * 200, "answer": "a"}] * 20_000)
    code = (
        "import sys, time; start = time.perf_counter()\n"
        "from grpo_cli.data.check import required_data_files as check\n"
        f"assert check({{'path': {path!r}, 'columns': {{'prompt': 'question'}}}}) == []\n"
        "heavy = {'torch', 'datasets', 'numpy', 'pandas', 'pyarrow', 'transformers', 'trl'} & "
        "set(sys.modules)\n"
        "print(heavy, time.perf_counter() - start)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy, seconds = out.rsplit(" ", 1)
    assert heavy == "set()"
    assert float(seconds) < 0.5


def test_a_large_json_document_is_not_read_whole(tmp_path):
    path = tmp_path / "big.json"
    path.write_text('[{"question": "' + "x" * 5_000_000 + '"}]')
    start = time.perf_counter()
    assert required_data_files({"path": str(path), "columns": {"prompt": "question"}}) == []
    assert time.perf_counter() - start < 0.1
