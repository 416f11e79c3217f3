"""The time by earlier runs, where grpo-check and grpo-train say it; and how a report looks on a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from grpo_cli.forecast.measured import Measurement, Rank
from grpo_cli.forecast.shape import shape_of
from grpo_cli.forecast.time import from_probe
from grpo_cli.jobs.job import tell_time
from grpo_cli.preflight.render import print_report
from grpo_cli.preflight.report import Report, light_report
from grpo_cli.preflight.situation import Situation
from grpo_cli.preflight.terminal import Terminal


def shown(report: Report, width: int = 120) -> str:
    stream = io.StringIO()
    print_report(report, Terminal(stream, width))
    return stream.getvalue()


@pytest.fixture
def after_a_run(situate: Callable[..., Situation], tmp_path: Path) -> Situation:
    """A configuration of which a run has been in its output folder."""
    situation = situate("training.max_steps=50")
    shape = shape_of(situation.config, situation.hardware, kind=situation.kind, world_size=1)
    folder = tmp_path / "outputs" / "grpo" / "2026-01-01"
    folder.mkdir(parents=True)
    (folder / "provenance.json").write_text(json.dumps({"shape": shape}, indent=2))
    steps = [{"kind": "train", "step": n, "step_time": 2.0} for n in range(4)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
    (folder / "result.json").write_text(
        json.dumps({"status": "completed", "attempts": 1, "seconds": 30, "step": 10, "timings": {"train_seconds": 22}})
    )
    return situation


def test_grpo_check_says_where_the_time_comes_from(after_a_run: Situation, situate: Callable) -> None:
    report = light_report(after_a_run)
    assert report.time is not None and report.time.total == 50 * 2.2 + 8 and report.time.step == 2.0
    text = " ".join(shown(report).split())
    assert "time about 1 min 58 s by earlier runs; 1 earlier run of the same shape" in text
    assert "2.0 s a step 1,800 an hour, 2.0 s to 2.0 s from the 10th to the 90th percentile" in text
    other = shown(light_report(situate("training.num_generations=16")))
    assert "no earlier run of this shape; probe=true measures two steps" in other


def test_grpo_train_says_it_when_it_starts(after_a_run: Situation, capsys: pytest.CaptureFixture[str]) -> None:
    config, hardware = after_a_run.config, after_a_run.hardware
    tell_time(config, hardware, shape_of(config, hardware, kind="cpu", world_size=1))
    told = capsys.readouterr().err
    assert told.startswith("grpo-train: about 1 min 58 s in all (2.0 s a step, 2.0 s to 2.0 s), by 1 earlier run")
    tell_time(config, hardware, "0" * 16)
    assert capsys.readouterr().err == ""


def test_what_was_measured_stands_before_what_is_forecast(situate: Callable) -> None:
    report = light_report(situate())
    peaks = {"generation": 2**30, "backward": 3 * 2**30}
    one = Rank(0, peaks=peaks, seconds={"generation": 2.0, "backward": 1.0}, prompt=19, completion=64, done=True)
    report.measured = Measurement([one, Rank(1, peaks={"generation": 2**30}, seconds={"generation": 1.0}, done=True)])
    report.time = from_probe(report.measured, 100)
    text = " ".join(shown(report).split())
    assert "3 GiB of 64 GiB measured; rank 0 of 2, in the phase 'backward'; prompts of 19" in text
    assert "forecast; a process" in text and "rank 1 1 GiB generation" in text
    assert "time about 5 min measured; every completion at full length" in text
    assert "generation 2.0 s, backward 1.0 s" in text
    told = report.as_dict()
    assert told["memory"]["source"] == "forecast" and told["probe"]["ranks"][0]["peak_bytes"] == 3 * 2**30


def test_a_report_fits_its_terminal_and_keeps_fixes_on_one_line(situate: Callable) -> None:
    text = shown(light_report(situate("training.top_p=0.9", "training.num_generations=6")), width=60)
    long = [line for line in text.splitlines() if len(line) > 60 and not line.lstrip().startswith(("write:", "or:"))]
    assert long == [] and "  write: training.num_generations=4\n" in text
    assert "\x1b[" not in text


def test_colour_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Terminal(io.StringIO()).style("x", "bold red") == "\x1b[1;31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Terminal(io.StringIO()).style("x", "bold red") == "x"
