"""`grpo-reward list`: what is read from config files and source, of ours and of the user's."""

from __future__ import annotations

import inspect

import pytest

from grpo_cli.config import places
from grpo_cli.config.importer import import_target
from grpo_cli.errors import ConfigError
from grpo_cli.rewards.signature import read_signature
from grpo_cli.trial.catalogue import find_rewards, read_config


def test_every_reward_has_a_summary_and_a_meaning_for_each_argument():
    entries = find_rewards()
    assert [entry.name for entry in entries] == places.choices("reward")
    for entry in entries:
        assert entry.summary and entry.target and not entry.users
        assert all(setting.meaning for setting in entry.arguments), entry.name


@pytest.mark.parametrize("name", places.choices("reward"))
def test_columns_are_those_that_the_function_itself_tells(name):
    (entry,) = [entry for entry in find_rewards(name) if entry.name == name]
    found = import_target(entry.target)
    if inspect.isfunction(found) and entry.columns is not None and read_signature(found).is_reward:
        assert tuple(entry.columns) == read_signature(found).columns({s.name: None for s in entry.settings})


def test_exact_match_in_full():
    (entry,) = find_rewards("exact_match")
    assert entry.columns == ["answer"]
    by_name = {setting.name: setting for setting in entry.arguments}
    assert by_name["extract"].default == "auto"
    assert by_name["extract"].meaning.endswith("else all")  # a comment over two lines
    assert "weight" not in by_name
    assert "Example:" in entry.docstring


def test_a_users_reward_stands_among_ours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "reward").mkdir(parents=True)
    (tmp_path / "mine.py").write_text('def mine(completion, label, tone="a"):\n    """Say it."""\n')
    (tmp_path / "conf" / "reward" / "mine.yaml").write_text(
        "# @package reward.mine\n# How nice it is.\ntarget: mine.py:mine\nweight: 0.5\ntone: b # its tone\n"
        "words: [a,\n  b]\n"
    )
    (entry,) = find_rewards("mine")
    assert (entry.users, entry.summary, entry.columns, entry.docstring) == (
        True,
        "How nice it is.",
        ["label"],
        "Say it.",
    )
    assert [(s.name, s.default, s.meaning) for s in entry.arguments] == [
        ("tone", "b", "its tone"),
        ("words", "[a, b]", ""),
    ]


def test_a_source_that_cannot_be_read_is_said_to_be_unknown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "reward").mkdir(parents=True)
    (tmp_path / "conf" / "reward" / "gone.yaml").write_text("target: gone.py:gone\n")
    (entry,) = find_rewards("gone")
    assert (entry.summary, entry.columns) == ("", None)


def test_parts_of_names_and_wrong_names():
    assert {"exact_match"} <= {entry.name for entry in find_rewards("match")}
    with pytest.raises(ConfigError, match="did you mean 'exact_match'"):
        find_rewards("exakt_match")


def test_comments_and_values_are_told_apart(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text("# one\n# two\na: 1 # A\n\nb: 'x#y'   # B\n  # more\nc:\n  - 1\n", encoding="utf-8")
    summary, settings = read_config(file)
    assert summary == "one"
    assert [(s.name, s.default, s.meaning) for s in settings] == [
        ("a", "1", "A"),
        ("b", "'x#y'", "B more"),
        ("c", "- 1", ""),
    ]
