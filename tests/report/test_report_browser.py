"""Packing completions: nothing lost, nothing changed, parts of a size, and less of what is too much."""

from __future__ import annotations

import gzip
import json

import pytest
from recorded import HOSTILE, record_run

from grpo_cli.report.browser import PART_CHARACTERS, Packer, pack
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import read


def unpacked(packer: Packer):
    """The index and the parts as the page's script gets them."""
    index, parts = packer.packed()
    return json.loads(gzip.decompress(index)), [json.loads(gzip.decompress(p)) for p in parts]


def everything(packer: Packer):
    """Every completion: (split, step, group, prompt, text, reward, length)."""
    index, parts = unpacked(packer)
    found, at = [], 0
    for split, step, group, _, part, place, size in index["groups"]:
        held = parts[part][place]
        assert len(held["completions"]) == size
        for text in held["completions"]:
            name = index["splits"][split]
            found.append((name, step, group, held["prompt"][0][1], text, index["reward"][at], index["length"][at]))
            at += 1
    return found


def test_nothing_is_lost_or_changed(tmp_path):
    folder = RunFolder(record_run(tmp_path / "run", words=400))
    packer = pack(folder, None)
    recorded = [
        (
            name,
            r["step"],
            r["group"],
            r["prompt"][0]["content"],
            r["completion"][0]["content"],
            r["reward"],
            r["length"],
        )
        for name, split in (("held_out", "eval"), ("train", "train"))
        for r in read(folder.completions(split))
    ]
    assert everything(packer) == recorded
    assert (packer.count, packer.left_out) == (len(recorded), 0)
    index, parts = unpacked(packer)
    assert index["rewards"] == ["exact_match", "format"]
    assert [len(column) for column in index["scores"]] == [len(recorded)] * 2
    assert len(parts) > 1
    assert all(sum(len(t) for g in part for t in g["completions"]) < 2 * PART_CHARACTERS for part in parts)


def test_hostile_text_comes_back_as_it_was(tmp_path):
    packer = pack(RunFolder(record_run(tmp_path / "run", texts=HOSTILE, steps=3)), None)
    assert {text for *_, text, _, _ in everything(packer)} == set(HOSTILE)


def test_too_much_is_thinned_by_steps_evaluations_first(tmp_path):
    folder = RunFolder(record_run(tmp_path / "run", steps=40, words=60))
    size = {s: folder.completions(s).stat().st_size / 1e6 for s in ("eval", "train")}
    packer = pack(folder, size["eval"] + size["train"] / 4 + 1e-3)
    found = everything(packer)
    assert {s for name, s, *_ in found if name == "held_out"} == {0, 10, 20, 30, 40}
    steps = sorted({s for name, s, *_ in found if name == "train"})
    assert steps == [*range(1, 41, 4), 40]  # and the last one, whatever is left out
    assert packer.count + packer.left_out == 40 * 16 + 5 * 8
    nothing = pack(folder, 0)
    assert (nothing.count, nothing.left_out) == (0, 40 * 16 + 5 * 8)


def test_records_of_any_shape_are_taken_in(tmp_path):
    packer = Packer()
    packer.add(
        "train", {"step": 1, "group": 0, "sample": 0, "prompt": "plain", "completion": "text", "rewards": {"a": 1}}
    )
    packer.add("train", {"step": 1, "group": 0, "sample": 1, "prompt": "plain", "completion": None, "reward": "nan"})
    tools = [{"role": "assistant", "content": "call"}, {"role": "tool", "content": "42"}]
    packer.add("gsm8k", {"step": 1, "prompt": [], "completion": tools, "rewards": {"b": 0.5}, "truncated": True})
    packer.add("gsm8k", {})
    index, parts = unpacked(packer)
    assert index["rewards"] == ["a", "b"]
    assert index["scores"] == [[1, None, None, None], [None, None, 0.5, None]]
    assert index["reward"] == [None, "nan", None, None]
    assert parts[0][1]["completions"] == ["[assistant]\ncall\n\n[tool]\n42"]


@pytest.mark.parametrize("line", [b'{"step": 3, "completion": "to', b"null\n", b"\xff\xfe\n"])
def test_a_torn_line_is_passed_over(tmp_path, line):
    folder = RunFolder(record_run(tmp_path / "run", steps=2, every=None))
    with folder.completions("train").open("ab") as out:
        out.write(line)
    assert pack(folder, None).count == 2 * 16
    assert pack(folder, 0.001).left_out > 0


def test_the_same_run_gives_the_same_bytes(tmp_path):
    folder = RunFolder(record_run(tmp_path / "run"))
    assert pack(folder, None).packed() == pack(folder, None).packed()
