from __future__ import annotations

from pathlib import Path

import display_replay
import pytest

from grpo_cli.display.follow import Follower, JsonlTail
from grpo_cli.runs import jsonl
from grpo_cli.runs.folder import RunFolder


def raw(path: Path, text: str, mode: str = "a") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open(mode, encoding="utf-8") as out:
        out.write(text)


def train(step: int, reward: float, time: float | None = None) -> dict:
    return {"kind": "train", "step": step, "time": time or 1000.0 + step, "reward": reward}


def test_a_line_is_taken_only_when_it_is_complete(tmp_path: Path) -> None:
    tail = JsonlTail(tmp_path / "a.jsonl")
    assert tail.poll() == ([], False)
    raw(tail.path, '{"a": 1}\n{"a"')
    assert tail.poll() == ([{"a": 1}], False)
    assert tail.poll() == ([], False)
    raw(tail.path, ": 2}")
    assert tail.poll() == ([], False)
    raw(tail.path, "\n")
    assert tail.poll() == ([{"a": 2}], False)


def test_a_character_cut_in_two_is_put_together(tmp_path: Path) -> None:
    tail = JsonlTail(tmp_path / "a.jsonl")
    data = '{"a": "héllo →"}\n'.encode()
    for byte in data[:-1]:
        with tail.path.open("ab") as out:
            out.write(bytes([byte]))
        assert tail.poll()[0] == []
    with tail.path.open("ab") as out:
        out.write(data[-1:])
    assert tail.poll()[0] == [{"a": "héllo →"}]


def test_a_torn_line_that_was_closed_later_is_passed_over(tmp_path: Path) -> None:
    tail = JsonlTail(tmp_path / "a.jsonl")
    raw(tail.path, '{"a": 1}\n{"a": 2, "b')
    tail.poll()
    jsonl.append(tail.path, {"a": 3})  # closes the torn line first
    assert tail.poll() == ([{"a": 3}], False)


def test_a_file_replaced_by_a_shorter_one_is_read_from_its_beginning(tmp_path: Path) -> None:
    tail = JsonlTail(tmp_path / "a.jsonl")
    raw(tail.path, '{"a": 1}\n{"a": 2}\n')
    tail.poll()
    jsonl.write_atomic(tail.path, '{"a": 1}\n')
    assert tail.poll() == ([{"a": 1}], True)
    assert tail.poll() == ([], False)


def test_a_file_replaced_by_one_of_the_same_size_is_noticed(tmp_path: Path) -> None:
    tail = JsonlTail(tmp_path / "a.jsonl")
    raw(tail.path, '{"a": 1}\n')
    tail.poll()
    jsonl.write_atomic(tail.path, '{"a": 9}\n')
    assert tail.poll() == ([{"a": 9}], True)


def test_a_file_cut_in_place_is_noticed(tmp_path: Path) -> None:
    tail = JsonlTail(tmp_path / "a.jsonl")
    raw(tail.path, '{"a": 1}\n{"a": 2}\n')
    tail.poll()
    raw(tail.path, '{"a": 1}\n', mode="r+")
    with tail.path.open("r+b") as out:
        out.truncate(len('{"a": 1}\n'))
    assert tail.poll() == ([{"a": 1}], True)


def test_state_of_a_whole_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    display_replay.replay(folder, display_replay.simulate())
    follower = Follower(folder)
    follower.poll()
    state = follower.state
    assert (state.phase, state.step, state.max_steps) == ("done", 100, 100)
    assert state.rate == pytest.approx(5.0)  # 0.2 s a step: the evaluations between them do not count
    assert state.tokens_per_second == pytest.approx(10_000)
    assert [s for s, _ in state.held_out] == [0, 25, 50, 75, 100]
    assert state.held_out[0][1] == pytest.approx(0.1) and state.held_out[-1][1] == pytest.approx(0.99)
    assert len(state.rewards) == 50 and state.tokens == 200_000
    assert set(state.reward_means) == {"exact_match", "format"}
    assert state.resolved["training.bf16"] == (False, "no GPU")
    assert state.plan["num_eval_prompts"] == 256
    assert len(state.warnings) == 1
    assert state.elapsed(state.last_time) == pytest.approx(34.0)


def test_following_in_pieces_ends_as_reading_at_once(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    piecewise = Follower(folder)
    yielded = 0
    records = list(display_replay.simulate())
    for record in records:
        display_replay.write(folder, record)
        yielded += len(piecewise.poll())
    at_once = Follower(folder)
    at_once.poll()
    assert piecewise.state == at_once.state
    assert yielded == len(records)


def test_a_resumed_run_rolls_its_metrics_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    follower = Follower(folder)
    jsonl.append(folder.events, {"event": "plan", "max_steps": 10, "start_step": 0, "time": 1000})
    jsonl.append(folder.metrics, *(train(s, s / 10) for s in range(1, 9)))
    follower.poll()
    assert len(follower.state.rewards) == 8

    # the worker goes on from checkpoint 5: metrics.jsonl loses what came after it
    kept = "".join(f'{{"kind": "train", "step": {s}, "time": {1000.0 + s}, "reward": 0.5}}\n' for s in range(1, 6))
    jsonl.write_atomic(folder.metrics, kept)
    jsonl.append(folder.events, {"event": "plan", "max_steps": 10, "start_step": 5, "time": 2000})
    assert [r for r in follower.poll() if r.get("kind")] == []  # nothing of it is news
    assert [s for s, _ in follower.state.rewards] == [1, 2, 3, 4, 5]
    assert follower.state.step == 5

    jsonl.append(folder.metrics, train(6, 0.9, 2001.0))
    assert [r["step"] for r in follower.poll()] == [6]
    assert follower.state.rewards[-1] == (6, 0.9)


def test_a_stop_request_is_seen_and_garbage_is_not_fatal(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    follower = Follower(folder)
    raw(folder.events, 'garbage\n[1, 2]\n{"event": "nobody knows"}\n{"event": "step"}\n\n{"time": "x"}\n')
    raw(folder.metrics, '{"kind": "train", "step": "?", "reward": null}\n{"kind": "eval"}\n')
    follower.poll()
    assert follower.state.stopping is False
    folder.stop_request.write_text("SIGINT")
    follower.poll()
    assert follower.state.stopping is True
