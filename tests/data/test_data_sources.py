import json

import datasets
import pytest
from datasets import Dataset, DatasetDict

from grpo_cli.data import sources
from grpo_cli.data.check import DEFAULTS
from grpo_cli.data.sources import open_source, rows_to_dataset
from grpo_cli.errors import ConfigError

ROWS = [{"prompt": "a", "n": 1}, {"prompt": "b", "n": 2}]


def opened(path=None, seed=5, **cfg):
    return open_source({**DEFAULTS, "path": path, **cfg}, "dataset", seed)


def listed(split):
    return list(split)


def test_rows_may_have_different_keys_and_types():
    made = rows_to_dataset([{"a": 1}, {"a": "x", "b": {"k": 1}}, {"b": {"other": [1, "two"]}}])
    assert [made[i] for i in range(3)] == [
        {"a": 1, "b": None},
        {"a": "x", "b": {"k": 1}},
        {"a": None, "b": {"other": [1, "two"]}},
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet", "jsonl.gz"])
@pytest.mark.parametrize("streaming", [False, True])
def test_every_format_of_file_reads_in_memory_and_as_a_stream(tmp_path, suffix, streaming):
    path = tmp_path / f"rows.{suffix}"
    data = Dataset.from_list(ROWS)
    if suffix == "json":
        path.write_text(json.dumps(ROWS))
    elif suffix == "csv":
        path.write_text("\ufeffprompt;n\na;01\nb;2\n", encoding="utf-8")
    elif suffix == "parquet":
        data.to_parquet(path)
    else:
        data.to_json(path, compression="gzip" if suffix.endswith("gz") else None)
    expected = [{"prompt": "a", "n": "01"}, {"prompt": "b", "n": "2"}] if suffix == "csv" else ROWS
    split = opened(str(path), streaming=streaming)["train"]
    assert isinstance(split, datasets.IterableDataset) == streaming
    assert listed(split) == expected


def test_small_files_leave_nothing_in_the_cache_and_a_changed_file_is_read_again(write_rows, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    path = write_rows(ROWS)
    assert listed(opened(path)["train"]) == ROWS
    write_rows([{"prompt": "changed", "n": 3}])
    assert listed(opened(path)["train"]) == [{"prompt": "changed", "n": 3}]
    assert not cache.exists()


def test_large_files_go_through_datasets_and_a_changed_file_is_read_again(write_rows, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(sources, "SMALL", 1)
    path = write_rows(ROWS)
    assert listed(opened(path)["train"]) == ROWS
    write_rows([{"prompt": "changed", "n": 3}])
    assert listed(opened(path)["train"]) == [{"prompt": "changed", "n": 3}]


def test_large_csv_files_keep_their_cells_as_text(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(sources, "SMALL", 1)
    (tmp_path / "rows.csv").write_text(',prompt,answer\n0,"a, b",007\n1,NA,\n')
    assert listed(opened(str(tmp_path / "rows.csv"))["train"]) == [
        {"unnamed_0": "0", "prompt": "a, b", "answer": "007"},
        {"unnamed_0": "1", "prompt": "NA", "answer": None},
    ]


def test_several_files_are_put_together(write_rows, tmp_path):
    Dataset.from_list(ROWS[1:]).to_parquet(tmp_path / "b.parquet")
    assert len(opened([write_rows(ROWS[:1], "a.jsonl"), str(tmp_path / "b.parquet")])["train"]) == 2


def test_a_folder_of_files_gives_its_splits(write_rows, tmp_path):
    write_rows(ROWS, "folder/train.jsonl")
    write_rows(ROWS[:1], "folder/test.jsonl")
    assert {k: len(v) for k, v in opened(str(tmp_path / "folder")).items()} == {"train": 2, "test": 1}


@pytest.mark.parametrize("streaming", [False, True])
def test_what_datasets_saved_is_loaded(tmp_path, streaming):
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "one")
    DatasetDict({"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:1])}).save_to_disk(tmp_path / "two")
    assert listed(opened(str(tmp_path / "one"), streaming=streaming)["train"]) == ROWS
    assert list(opened(str(tmp_path / "two"), streaming=streaming)) == ["train", "test"]


@pytest.fixture
def repository(write_rows, tmp_path, monkeypatch):
    """A folder laid out as a data set on the hub, with two configurations."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for name in ("main", "other"):
        write_rows([{"prompt": name}], f"repo/{name}/train.jsonl")
        write_rows([{"prompt": f"{name} test"}], f"repo/{name}/test.jsonl")
    (tmp_path / "repo" / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_dir: main\n- config_name: other\n  data_dir: other\n---\n"
    )
    return str(tmp_path / "repo")


@pytest.mark.parametrize("streaming", [False, True])
def test_load_datasets_own_path_takes_a_configuration_by_name(repository, streaming):
    splits = opened(repository, name="other", streaming=streaming)
    assert listed(splits["train"]) == [{"prompt": "other"}]
    assert listed(splits["test"]) == [{"prompt": "other test"}]


def test_a_missing_configuration_is_said_with_those_there_are(repository):
    with pytest.raises(ConfigError, match=r"main.*other.*dataset.name=") as error:
        opened(repository)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match=r"dataset.path=.*'man' not found.*main"):
        opened(repository, name="man")


def test_a_hub_id_that_cannot_be_found_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"dataset.path.*nobody/nothing") as error:
        opened("nobody/nothing")
    assert "\n" not in str(error.value)


GENERATORS = """
from datasets import Dataset
def rows(count=2, seed=0):
    return [{"prompt": str(i), "seed": seed} for i in range(count)]
def splits(seed):
    return {"train": rows(3, seed), "test": Dataset.from_list(rows(1, seed))}
def lazily(count):
    for i in range(count):
        yield {"prompt": str(i)}
def open_ended(**options):
    return [{"prompt": str(options)}]
def wrong():
    return "text"
def wrong_row():
    return [{"prompt": "a"}, "b"]
def fails():
    raise KeyError("gone")
constant = 3
"""


@pytest.fixture
def generators(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gen.py").write_text(GENERATORS)


def test_a_generator_gives_rows_and_gets_the_seed_where_it_takes_one(generators):
    assert listed(opened(generator="gen.py:rows")["train"]) == [
        {"prompt": "0", "seed": 5},
        {"prompt": "1", "seed": 5},
    ]
    assert listed(opened(generator="gen.py:rows", generator_kwargs={"count": 1, "seed": 9})["train"])[0]["seed"] == 9
    assert {k: len(v) for k, v in opened(generator="gen.py:splits").items()} == {"train": 3, "test": 1}
    assert len(opened(generator="gen.py:lazily", generator_kwargs={"count": 4})["train"]) == 4
    assert "'x': 1" in opened(generator="gen.py:open_ended", generator_kwargs={"x": 1})["train"][0]["prompt"]


def test_a_lazy_generator_can_be_streamed(generators):
    split = opened(generator="gen.py:lazily", generator_kwargs={"count": 4}, streaming=True)["train"]
    assert isinstance(split, datasets.IterableDataset) and len(listed(split)) == 4


@pytest.mark.parametrize(
    ("name", "kwargs", "said"),
    [
        ("wrong", {}, "returned str, not rows"),
        ("wrong_row", {}, "row 2 is str, not a dict"),
        ("fails", {}, "dataset.generator=gen.py:fails failed: KeyError: 'gone'"),
        ("constant", {}, "is no function"),
        (
            "rows",
            {"cuont": 1},
            r"generator_kwargs.cuont: gen.py:rows has no such argument; did you mean 'count'\?",
        ),
        ("none", {}, "has no 'none'"),
    ],
)
def test_a_generator_that_does_not_fit_is_said(generators, name, kwargs, said):
    with pytest.raises(ConfigError, match=said):
        opened(generator=f"gen.py:{name}", generator_kwargs=kwargs)


def test_a_broken_file_of_a_known_format_is_said(tmp_path):
    (tmp_path / "x.parquet").write_text("no parquet")
    with pytest.raises(ConfigError, match=r"x.parquet cannot be read as Parquet"):
        opened(str(tmp_path / "x.parquet"))
