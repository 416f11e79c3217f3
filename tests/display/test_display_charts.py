from __future__ import annotations

import io

from grpo_cli.display.charts import buckets, chart, charts
from grpo_cli.display.console import UNICODE, make_console
from grpo_cli.display.scene import Scene
from grpo_cli.display.state import RunState


def test_a_chart_keeps_every_bar_visible() -> None:
    assert chart([0.0, 0.5, 1.0], 1, 0.0, 1.0, UNICODE.levels) == ["▁▄█"]
    assert chart([0.0, 1.0], 2, 0.0, 1.0, UNICODE.levels) == [" █", "▁█"]


def test_a_long_series_is_averaged_to_the_columns_there_are() -> None:
    assert buckets([1, 2, 3, 4], 2) == [1.5, 3.5]
    assert buckets([1, 2], 5) == [1, 2]
    assert len(buckets(range(1000), 37)) == 37


def test_evaluations_say_how_sure_their_gain_is_and_are_drawn_against_the_whole_scale():
    state = RunState()
    for step, value in ((0, 0.5), (10, 0.75)):
        state.evals.append({"step": step, "eval/held_out/accuracy": value})
    state.evals[-1] |= {"eval/held_out/accuracy_gain_low": 0.21, "eval/held_out/accuracy_gain_high": 0.29}
    for width in (60, 100):  # a line for each chart, and boxes
        console = make_console(io.StringIO(), width=width, height=40)
        console.print(charts(Scene(state, {"name": "x", "folder": "f"}, console, now=0.0)))
        text = console.file.getvalue()
        assert "0.50 → 0.75  +0.25 ±0.04" in text
        assert width == 100 or "▄▆" in text  # half and three quarters of the line, not the least and the most
