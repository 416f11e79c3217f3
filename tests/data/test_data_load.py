import json
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict, IterableDataset

from grpo_cli.data.load import load_data
from grpo_cli.errors import ConfigError

COLUMNS = {"prompt": "question"}


def test_rows_reach_the_trainer_with_their_prompt_and_every_other_column(sums, tokenizer):
    cfg = {"path": sums, "prompt_template": "{question} Reply.", "system_prompt": "Add.", "test_size": 0.25}
    data = load_data(cfg, tokenizer=tokenizer, seed=1)
    assert (len(data.train), len(data.test)) == (30, 10)
    row = data.train[0]
    question = row["question"]
    assert row["prompt"] == [
        {"role": "system", "content": "Add."},
        {"role": "user", "content": f"{question} Reply."},
    ]
    assert row["answer"] == str(int(question.split("+")[0]) + 1) and row["level"] in (0, 1, 2)
    assert data.info["columns"] == ["prompt", "question", "answer", "level"]
    assert data.info["sources"]["dataset"]["held_out"] == 10


def test_held_out_rows_stay_the_same_whatever_the_limit(sums, plain_tokenizer):
    def load(**cfg):
        return load_data({"path": sums, "columns": COLUMNS, "test_size": 8, **cfg}, tokenizer=plain_tokenizer, seed=3)

    all_rows, few = load(), load(limit=5)
    assert few.test["prompt"][:] == all_rows.test["prompt"][:]
    assert len(few.train) == 5 and set(few.train["prompt"]) < set(all_rows.train["prompt"])
    assert set(load(test_limit=3).test["prompt"]) < set(all_rows.test["prompt"])


def test_no_held_out_rows_on_demand(sums, plain_tokenizer):
    data = load_data(
        {"path": sums, "columns": COLUMNS, "test_split": None, "test_size": 0},
        tokenizer=plain_tokenizer,
        seed=1,
    )
    assert data.test is None and data.info["test"] is None and len(data.train) == 40


def test_prompts_are_dropped_by_their_length_after_the_chat_template(write_rows, tokenizer):
    path = write_rows([{"prompt": "x" * n} for n in (1, 5, 10, 50)])
    frame = len("<|user|>\n<|assistant|>")
    cfg = {"path": path, "min_prompt_tokens": frame + 5, "max_prompt_tokens": frame + 10, "test_size": 0}
    data = load_data(cfg, tokenizer=tokenizer, seed=1)
    assert [len(p[0]["content"]) for p in data.train["prompt"]] == [5, 10]
    account = data.info["sources"]["dataset"]["train"]
    assert (account["rows"], account["dropped_too_short"], account["dropped_too_long"], account["kept"]) == (
        4,
        1,
        1,
        2,
    )
    assert account["prompt_tokens"]["max"] == frame + 10
    with pytest.raises(
        ConfigError, match=rf"no row of .* is left: its 4 prompts have {frame + 1} to {frame + 50} tokens"
    ):
        load_data({**cfg, "min_prompt_tokens": 500, "max_prompt_tokens": None}, tokenizer=tokenizer, seed=1)


def test_a_prompt_longer_than_the_context_is_refused_until_it_is_filtered(write_rows, tokenizer):
    tokenizer.model_max_length = 60
    path = write_rows([{"prompt": "short"}, {"prompt": "x" * 100}, {"prompt": "other"}])
    with pytest.raises(
        ConfigError, match=r"1 prompts fill the model's context of 60 tokens .*set dataset.max_prompt_tokens"
    ):
        load_data({"path": path}, tokenizer=tokenizer, seed=1)
    assert (
        len(load_data({"path": path, "max_prompt_tokens": 50, "test_size": 0}, tokenizer=tokenizer, seed=1).train) == 2
    )


def test_answers_are_extracted_and_rows_without_one_counted(write_rows, plain_tokenizer):
    path = write_rows([{"q": str(i), "solution": f"so\n#### {i}" if i % 2 else "?"} for i in range(10)])
    cfg = {
        "path": path,
        "columns": {"prompt": "q", "answer": "solution"},
        "answer_pattern": r"####\s*(.+)",
        "test_size": 0,
    }
    with pytest.raises(ConfigError, match=r"finds no answer in row 1 of"):
        load_data(cfg, tokenizer=plain_tokenizer, seed=1)
    data = load_data({**cfg, "on_missing_answer": "drop"}, tokenizer=plain_tokenizer, seed=1)
    assert data.train["answer"][:] == ["1", "3", "5", "7", "9"]
    assert data.info["sources"]["dataset"]["train"]["dropped_without_answer"] == 5


def test_a_split_of_its_own_is_held_out_and_its_prompts_are_not_trained_on(tmp_path, plain_tokenizer):
    train = Dataset.from_dict({"prompt": ["a", "b", "c", "a"]})
    DatasetDict({"train": train, "test": Dataset.from_dict({"prompt": ["a", "z"]})}).save_to_disk(tmp_path / "saved")
    cfg = {"path": str(tmp_path / "saved")}
    data = load_data(cfg, tokenizer=plain_tokenizer, seed=1)
    assert data.train["prompt"][:] == ["b", "c"] and data.test["prompt"][:] == ["a", "z"]
    assert data.info["dropped_held_out_prompts"] == 2
    assert len(load_data({**cfg, "overlap": "keep"}, tokenizer=plain_tokenizer, seed=1).train) == 4
    with pytest.raises(ConfigError, match="2 of 4 training rows have a prompt that is in the held-out set"):
        load_data({**cfg, "overlap": "error"}, tokenizer=plain_tokenizer, seed=1)


def test_a_test_file_lies_apart(sums, write_rows, plain_tokenizer):
    test = write_rows([{"question": "9+9?", "answer": "18", "level": 0}], "held.jsonl")
    data = load_data({"path": sums, "test_path": test, "columns": COLUMNS}, tokenizer=plain_tokenizer, seed=1)
    assert (len(data.train), data.test["prompt"][:]) == (40, ["9+9?"])
    with pytest.raises(ConfigError, match="every training prompt is in the held-out set"):
        load_data({"path": sums, "test_path": sums, "columns": COLUMNS}, tokenizer=plain_tokenizer, seed=1)


def test_a_saved_folder_stays_as_it_is(tmp_path, tokenizer):
    Dataset.from_list([{"prompt": str(i), "n": i} for i in range(50)]).select(range(0, 50, 2)).save_to_disk(
        tmp_path / "saved"
    )
    before = sorted(p.name for p in (tmp_path / "saved").rglob("*"))
    data = load_data(
        {"path": str(tmp_path / "saved"), "max_prompt_tokens": 23, "limit": 3}, tokenizer=tokenizer, seed=1
    )
    assert len(data.train) == 3
    assert sorted(p.name for p in (tmp_path / "saved").rglob("*")) == before


def test_two_columns_can_swap_and_one_can_serve_twice(write_rows, plain_tokenizer):
    path = write_rows([{"prompt": "gold", "question": "q"}])
    columns = {"prompt": "question", "question": "prompt", "copy": "question"}
    data = load_data({"path": path, "columns": columns, "test_size": 0}, tokenizer=plain_tokenizer, seed=1)
    assert data.train[0] == {"prompt": "q", "question": "gold", "copy": "q"}


def test_the_fingerprint_is_of_the_rows_and_nothing_else(sums, tmp_path, plain_tokenizer):
    def prints(path, seed=1):
        info = load_data({"path": str(path), "columns": COLUMNS}, tokenizer=plain_tokenizer, seed=seed).info
        return info["train"]["fingerprint"], info["test"]["fingerprint"]

    copy = tmp_path / "elsewhere" / "copy.json"
    copy.parent.mkdir()
    rows = [json.loads(line) for line in Path(sums).read_text().splitlines()]
    copy.write_text(json.dumps(rows))
    assert prints(copy) == prints(sums)
    assert prints(sums, seed=2) != prints(sums)
    rows[3]["level"] = 77
    copy.write_text(json.dumps(rows))
    assert prints(copy) != prints(sums)


def test_other_processes_get_the_same_rows(sums, plain_tokenizer):
    cfg = {"path": sums, "columns": COLUMNS, "limit": 10}
    code = (
        "from grpo_cli.data.load import load_data\n"
        f"print(load_data({cfg!r}, tokenizer=None, seed=1).info['train']['fingerprint'])"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert load_data(cfg, tokenizer=plain_tokenizer, seed=1).info["train"]["fingerprint"] == other


def test_a_stream_is_built_row_by_row_and_its_first_rows_are_held_out(sums, tokenizer):
    cfg = {
        "path": sums,
        "columns": COLUMNS,
        "streaming": True,
        "test_size": 4,
        "shuffle_buffer": 0,
        "limit": 6,
    }
    data = load_data(cfg, tokenizer=tokenizer, seed=1)
    assert isinstance(data.train, IterableDataset)
    assert [row["prompt"][0]["content"] for row in data.test] == ["0+1?", "1+1?", "2+1?", "3+1?"]
    rows = list(data.train)
    assert [row["prompt"][0]["content"] for row in rows] == [f"{i}+1?" for i in range(4, 10)]
    assert rows[0]["answer"] == "5" and rows[0]["level"] == 1 and set(rows[0]) == {"prompt", "answer", "level"}


def test_a_stream_is_shuffled_by_the_seed(sums, plain_tokenizer):
    def order(seed, **cfg):
        cfg = {"path": sums, "columns": COLUMNS, "streaming": True, "test_size": 4, **cfg}
        return [row["prompt"] for row in load_data(cfg, tokenizer=plain_tokenizer, seed=seed).train]

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == sorted(order(1, shuffle_buffer=0))


def test_a_stream_filters_lengths_and_drops_held_out_prompts(write_rows, plain_tokenizer):
    path = write_rows([{"prompt": p} for p in ("a", "toolong", "b", "a", "c")])
    cfg = {"path": path, "streaming": True, "max_prompt_tokens": 3, "test_size": 1, "shuffle_buffer": 0}
    data = load_data(cfg, tokenizer=plain_tokenizer, seed=1)
    assert (data.test["prompt"][:], [row["prompt"] for row in data.train]) == (["a"], ["b", "c"])


def test_a_broken_row_deep_in_a_stream_is_named_when_it_comes(write_rows, plain_tokenizer):
    path = write_rows([{"prompt": f"p{i}" if i != 150 else None} for i in range(200)])
    data = load_data({"path": path, "streaming": True, "test_size": 1}, tokenizer=plain_tokenizer, seed=1)
    with pytest.raises(ConfigError, match=r"row 151 of .* has an empty prompt"):
        list(data.train)


def test_a_stream_with_nothing_left_is_said(write_rows, plain_tokenizer):
    path = write_rows([{"prompt": "same"}] * 30)
    with pytest.raises(ConfigError, match="no row of the stream is left to train on"):
        load_data({"path": path, "streaming": True, "test_size": 1}, tokenizer=plain_tokenizer, seed=1)


def test_an_empty_data_set_is_said(tmp_path, plain_tokenizer):
    Dataset.from_dict({"prompt": []}).to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(ConfigError, match=r"empty.parquet holds no rows"):
        load_data({"path": str(tmp_path / "empty.parquet")}, tokenizer=plain_tokenizer, seed=1)
    (tmp_path / "blank.jsonl").write_text("\n\n")
    with pytest.raises(ConfigError, match=r"blank.jsonl holds no rows"):
        load_data({"path": str(tmp_path / "blank.jsonl")}, tokenizer=plain_tokenizer, seed=1)


def test_image_columns_are_refused(tmp_path, plain_tokenizer):
    from datasets import Features, Image, Value

    features = Features({"prompt": Value("string"), "picture": Image()})
    Dataset.from_dict({"prompt": ["a"], "picture": [None]}, features=features).save_to_disk(tmp_path / "saved")
    with pytest.raises(ConfigError, match=r"column 'picture' of image data"):
        load_data({"path": str(tmp_path / "saved")}, tokenizer=plain_tokenizer, seed=1)
