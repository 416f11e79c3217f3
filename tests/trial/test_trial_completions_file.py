"""Files of completions: JSON lines, a run's records, plain text."""

from __future__ import annotations

import json

import pytest
from trial_material import ROWS

from grpo_cli.errors import ConfigError
from grpo_cli.trial.completions_file import read_completions
from grpo_cli.trial.findings import find

PROMPTS = ["one?", [{"role": "user", "content": "two?"}]]


def read(tmp_path, name, *lines):
    path = tmp_path / name
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_completions(path, PROMPTS)


def test_text_lines_go_to_one_row_after_another(tmp_path):
    given = read(tmp_path, "a.txt", "x", "", "y", "z")
    assert [(g.line, g.completion, g.row) for g in given] == [(1, "x", 0), (3, "y", 1), (4, "z", 0)]


def test_json_lines_find_their_row(tmp_path):
    records = [
        {"completion": "x", "prompt": PROMPTS[1]},
        {"completion": "y", "row": 1, "answer": "7"},
        {
            "completion": [{"role": "assistant", "content": "z"}],
            "prompt": "new?",
            "columns": {"answer": "8"},
            "step": 3,
        },
    ]
    given = read(tmp_path, "a.jsonl", *map(json.dumps, records))
    assert [g.row for g in given] == [1, 1, 0]
    assert [g.columns for g in given] == [{}, {"answer": "7"}, {"answer": "8"}]
    assert [g.prompt for g in given] == [PROMPTS[1], PROMPTS[1], "new?"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1 of .* is no JSON"),
        ('{"text": "x"}', "no key 'completion'.*it has text"),
        ('{"completion": 3}', "no key 'completion' with a text"),
        ('{"completion": "x", "row": 2}', "row 2, and the trial has rows 0 to 1; take more with --rows"),
        ("", "holds no completion"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path, line, words):
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, "a.jsonl", line)


def test_a_missing_file_suggests_one(tmp_path):
    (tmp_path / "train.jsonl").touch()
    with pytest.raises(ConfigError, match=r"did you mean 'train.jsonl'"):
        read_completions(tmp_path / "tain.jsonl", PROMPTS)


def test_completions_of_a_file_are_scored_with_their_own_columns(trial_of, tmp_path):
    file = tmp_path / "given.jsonl"
    lines = [{"completion": "106", "prompt": None, "row": 0, "answer": "106"}, {"completion": "100", "row": 0}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    entry = {"target": "grpo_cli.rewards.correctness:exact_match", "correctness": True}
    probed = trial_of({"exact_match": entry}, rows=ROWS, completions=file).find("your completions")
    assert probed.values("exact_match") == [1.0, 1.0]
    assert probed.lines == [1, 2]


def test_a_failure_on_a_given_completion_names_its_line(trial_of, tmp_path):
    (tmp_path / "given.txt").write_text("fine\nboom\n")
    source = (
        "def picky(completion):\n"
        "    if completion == 'boom':\n"
        "        raise ValueError('no')\n"
        "    return len(completion)"
    )
    trial = trial_of({"picky": source}, completions=tmp_path / "given.txt")
    failure = next(f for f in find(trial) if "fails on" in f.text)
    assert "fails on 1 of" in failure.text and "(first: line 2 of your file)" in failure.text


def test_groups_of_a_run_that_teach_nothing_are_counted(trial_of, tmp_path):
    texts = {0: ["100", "100"], 1: ["1", "102"], 2: ["5", "6"]}
    lines = [{"completion": text, "row": row} for row, group in texts.items() for text in group]
    (tmp_path / "given.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    entry = {"target": "grpo_cli.rewards.correctness:exact_match", "correctness": True}
    rows = [{"prompt": f"What is {n} plus {n}?", "answer": str(2 * n)} for n in range(50, 54)]
    trial = trial_of({"exact_match": entry}, rows=rows, count=4, completions=tmp_path / "given.jsonl")
    (finding,) = [f for f in find(trial) if "groups of your completions" in f.text]
    assert finding.severity == "warning" and finding.text.startswith("in 67% of the 3 groups")
