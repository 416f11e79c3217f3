import pytest

from grpo_cli.data.check import DEFAULTS
from grpo_cli.data.files import locate
from grpo_cli.errors import ConfigError


def find(path, **cfg):
    return locate({**DEFAULTS, "path": path, **cfg})


def put(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x\n")


def test_a_file_a_list_and_a_glob_are_one_split(tmp_path):
    put(tmp_path, "a.jsonl", "b.csv", "c.tsv.gz", "d.txt")
    assert [kind for _, kind in find(str(tmp_path / "a.jsonl")).splits["train"]] == ["jsonl"]
    both = find([str(tmp_path / "a.jsonl"), str(tmp_path / "b.csv")])
    assert [kind for _, kind in both.files] == ["jsonl", "csv"]
    assert [file.name for file, _ in find(str(tmp_path / "*.*")).files] == [
        "a.jsonl",
        "b.csv",
        "c.tsv.gz",
        "d.txt",
    ]


def test_relative_paths_and_globs_start_at_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "data/a.jsonl", "data/b.jsonl")
    assert len(find("data/*.jsonl").files) == 2
    assert find("data/a.jsonl").kind == "files"


def test_a_folders_splits_come_from_its_names(tmp_path):
    put(
        tmp_path,
        "train-00000-of-00002.parquet",
        "data/test.jsonl",
        "my_val.csv",
        "extra.jsonl",
        "LICENSE.txt",
        ".hidden/x.csv",
    )
    source = find(str(tmp_path))
    names = {split: sorted(f.name for f, _ in files) for split, files in source.splits.items()}
    assert names == {
        "train": ["extra.jsonl", "train-00000-of-00002.parquet"],
        "test": ["test.jsonl"],
        "validation": ["my_val.csv"],
    }


def test_split_names_inside_words_do_not_count(tmp_path):
    put(tmp_path, "contest.jsonl", "latest_devices.jsonl", "restrained.jsonl")
    assert list(find(str(tmp_path)).splits) == ["train"]


def test_a_folder_laid_out_for_the_hub_is_left_to_datasets(tmp_path):
    put(tmp_path, "a.jsonl")
    (tmp_path / "README.md").write_text("---\nconfigs:\n- config_name: x\n---\n")
    assert find(str(tmp_path)).kind == "repository"


@pytest.mark.parametrize("name", ["openai/gsm8k", "squad", "trl-lib/tldr"])
def test_what_is_not_here_and_looks_like_an_id_is_a_hub_id(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert find(name).kind == "hub"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("row.jsonl", r"there is no file or folder 'row.jsonl'.*did you mean 'rows.jsonl'\?"),
        ("rows.jsnl", r"there is no file or folder 'rows.jsnl'.*did you mean 'rows.jsonl'\?"),
        ("./nowhere/data", r"there is no file or folder './nowhere/data'"),
        ("*.csv", r"no file matches '\*.csv'"),
        ("empty.jsonl", r"empty.jsonl is empty"),
        ("notes.md", r"format of 'notes.md' is not known.*dataset.format"),
        ("folder", r"folder 'folder' holds no data files"),
        (["rows.jsonl", "folder"], r"'folder' is a folder; give it alone"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, monkeypatch, path, said):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "rows.jsonl", "notes.md", "folder/image.png")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(ConfigError, match=said):
        find(path)


def test_a_format_can_be_given(tmp_path):
    put(tmp_path, "notes.md")
    assert find(str(tmp_path / "notes.md"), format="text").files[0][1] == "text"
