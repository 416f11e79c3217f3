from __future__ import annotations

import io
from pathlib import Path

import display_replay
import pytest

from grpo_cli.display.console import RunConsole, make_console
from grpo_cli.display.follow import Follower
from grpo_cli.display.scene import Scene
from grpo_cli.display.state import RunState
from grpo_cli.display.view import draw, excerpt
from grpo_cli.runs.folder import RunFolder


def state_after(tmp_path: Path, records: int) -> RunState:
    folder = RunFolder(tmp_path)
    display_replay.replay(folder, list(display_replay.simulate(kl=True))[:records])
    follower = Follower(folder)
    follower.poll()
    return follower.state


def terminal(width: int, height: int, encoding: str = "utf-8") -> RunConsole:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return make_console(stream, width=width, height=height, force_terminal=True, color_system=None)


def drawn(state: RunState, width: int, height: int, encoding: str = "utf-8", **more: object) -> str:
    """The view as a terminal of that size gets it."""
    console = terminal(width, height, encoding)
    header = more.pop("header", display_replay.HEADER)
    console.print(draw(Scene(state, header, console, state.last_time or 0.0, **more)))
    return console.file.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("records", [0, 3, 9, 60, 190])
def test_it_fits_at_every_size_and_stage(tmp_path: Path, records: int, encoding: str) -> None:
    state = state_after(tmp_path, records)
    for width in (12, 30, 50, 66, 80, 120, 250):
        for height in (2, 4, 9, 17, 24, 61):
            lines = drawn(state, width, height, encoding).splitlines()
            assert 1 <= len(lines) < height, (width, height)
            assert all(len(one) <= width for one in lines), (width, height)


def test_all_of_it_is_there_in_80_by_24(tmp_path: Path) -> None:
    text = drawn(state_after(tmp_path, 100), 80, 24)
    for part in (
        *(
            "model embedded · dataset addition · rewards exact_match + format",
            "125 k parameters",
            "training",
            "51/100",
            "eta 0:10",
        ),
        *("held-out accuracy", "0.10 → 0.95  +0.85", "entropy", "KL", "truncated", "tokens/s", "10,000"),
        *("learning rate 1.53e-4", "grad norm", "loss", "length", "format 0.96", "<answer>845</answer>"),
        *("What is 487+358?", "12 % of the groups", "outputs/addition", "Ctrl-C"),
    ):
        assert part in text, part
    assert len(text.splitlines()) == 23


def test_the_progress_line_is_the_last_to_go(tmp_path: Path) -> None:
    state = state_after(tmp_path, 100)
    assert "51/100" in drawn(state, 80, 2)
    assert "0.10 → 0.95" in drawn(state, 80, 5)


def test_kl_and_single_rewards_are_shown_only_where_there_are_any(tmp_path: Path) -> None:
    state = state_after(tmp_path, 100)
    state.train = {k: v for k, v in state.train.items() if k not in ("kl", "rewards/format/mean")}
    text = drawn(state, 80, 24)
    assert "KL" not in text and "rewards  " not in text


def test_a_completion_is_shown_as_it_is_written_and_cannot_break_the_picture(tmp_path: Path) -> None:
    state = state_after(tmp_path, 100)
    evil = "[bold red]not markup[/] \x1b[2J\x1b[H :smile:\r " + "日本" * 300 + "\nthe end"
    state.sample = {"step": 1, "prompt": "x" * 500 + " last words", "completion": evil, "reward": 0.0}
    text = drawn(state, 80, 24)
    assert "[bold red]not markup[/]" in text and ":smile:" in text and "the end" in text
    assert "last words" in text and "\x1b" not in text and "\r" not in text
    assert len(text.splitlines()) <= 23


@pytest.mark.parametrize("status", ["completed", "failed", "interrupted"])
def test_the_last_frame_says_how_it_ended(tmp_path: Path, status: str) -> None:
    text = drawn(state_after(tmp_path, 190), 80, 24, result={"status": status, "seconds": 61.0})
    assert status in text and "1:01" in text and "eta" not in text and "Ctrl-C" not in text


def test_a_stop_is_announced(tmp_path: Path) -> None:
    state = state_after(tmp_path, 100)
    state.stopping = True
    assert "stopping" in drawn(state, 80, 24, note="saving a checkpoint; Ctrl-C again stops at once")
    assert "Ctrl-C again" in drawn(state, 80, 24, note="saving a checkpoint; Ctrl-C again stops at once")


def test_an_empty_header_draws_too() -> None:
    assert "grpo-train" in drawn(RunState(), 80, 24, header={})


def test_an_excerpt_keeps_the_beginning_and_the_last_line() -> None:
    text = "\n".join(f"line {i}" for i in range(20))
    rows = [row.plain for row in excerpt(text, 40, 4, terminal(80, 24))]
    assert rows == ["line 0", "line 1", "⋮ 17 more lines", "line 19"]
    assert [row.plain for row in excerpt("", 40, 3, terminal(80, 24))] == [""]


def test_what_the_encoding_cannot_hold_becomes_a_question_mark(tmp_path: Path) -> None:
    state = state_after(tmp_path, 100)
    state.sample = {"step": 1, "prompt": "日本", "completion": "the end", "reward": 0.0}
    text = drawn(state, 80, 24, "ascii")
    assert "??" in text and "held-out" in text and "0.10 -> 0.95" in text


def test_the_picture_for_documents(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    display_replay.replay(folder, display_replay.simulate())
    display_replay.export_svg(folder, tmp_path / "view.svg", until=60)
    svg = (tmp_path / "view.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg") and "60/100" in svg and "held-out" in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "").replace("https://www.textualize.io", "")
