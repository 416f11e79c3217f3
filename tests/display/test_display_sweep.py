"""The picture of jobs that run side by side."""

import io

from grpo_cli.display.console import make_console
from grpo_cli.display.state import RunState
from grpo_cli.display.sweep import LiveSweep, make_sweep_display
from grpo_cli.display.sweep_table import sweep_table
from grpo_cli.runs.objectives import Objective
from grpo_cli.runs.sweep import Sweep

ACCURACY = Objective("eval/held_out/accuracy")


def sweep_in(folder):
    sweep = Sweep(folder, [["seed=1", "a=1"], ["seed=2", "a=1"], ["seed=3", "a=1"]])
    sweep.jobs[0].status, sweep.jobs[0].earlier, sweep.jobs[0].objective = "completed", True, 0.5
    sweep.jobs[1].status, sweep.jobs[1].gpus = "running", "0,1"
    sweep.jobs[2].status, sweep.jobs[2].error = "invalid", "seed=3 is unlucky.\nmore"
    return sweep


def test_without_a_terminal_each_change_is_a_line(tmp_path):
    out = io.StringIO()
    sweep = sweep_in(tmp_path)
    with make_sweep_display("auto", sweep, 2, out) as display:
        display.tick()
        display.changed(sweep.jobs[1])
        display.changed(sweep.jobs[2])
        display.note("SIGINT: stopping.")
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("sweep: 3 jobs on 2 slots, 1 completed earlier, 1 invalid")
    assert lines[1:] == [
        "job 1: running  seed=2  GPU 0,1",
        "job 2: invalid  seed=3  seed=3 is unlucky.",
        "SIGINT: stopping.",
    ]


def test_the_table_shows_state_step_objective_and_gpu_of_each(tmp_path):
    out = io.StringIO()
    console = make_console(out, width=120)
    state = RunState(phase="training", step=3, max_steps=12)
    console.print(sweep_table(sweep_in(tmp_path).rows(), {1: state}, [ACCURACY], console))
    header, first, second, third = (line.split() for line in out.getvalue().splitlines())
    assert header == ["job", "overrides", "state", "step", "eval/held_out/accuracy", "time", "left", "GPU"]
    assert first == ["★", "0", "seed=1", "completed", "earlier", "-", "0.5000", "-", "-", "-"]
    assert second[:4] == ["1", "seed=2", "training", "3/12"] and second[-1] == "0,1"
    assert third[:3] == ["2", "seed=3", "invalid"]


def test_on_a_terminal_the_table_is_redrawn(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    sweep = sweep_in(tmp_path)
    sweep.jobs[1].folder = str(tmp_path / "1")
    monkeypatch.setenv("TERM", "xterm")
    with make_sweep_display("live", sweep, 2, out) as display:
        display.changed(sweep.jobs[1])
        display.tick()
        display.note("stopping")
    assert "2 of 3 jobs have ended, 2 slots" in out.getvalue() and "stopping" in out.getvalue()


def test_of_many_jobs_the_picture_fits_the_screen_and_says_what_failed(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for name, value in {"TERM": "xterm", "COLUMNS": "80", "LINES": "24", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    long = [f"training.learning_rate={n}e-06" for n in range(60)]
    sweep = Sweep(tmp_path, [[rate, f"reward=[exact_match,format_{n}]"] for n, rate in enumerate(long)])
    sweep.judge_by([ACCURACY, Objective("eval/held_out/completion_length", "minimize")])
    display = LiveSweep(sweep, 2, Terminal())
    for job in sweep.jobs[:30]:
        job.status, job.objectives, job.objective = "completed", [0.1, 9.0], 0.1
        display.changed(job)
    sweep.jobs[29].status, sweep.jobs[29].error = "failed", "The reward is broken.\nTraceback"
    sweep.jobs[30].status = "running"
    pictures = []
    monkeypatch.setattr(display._live, "update", lambda picture, refresh: pictures.append(picture))
    display.note("SIGINT: each job saves a checkpoint and ends; again to stop at once. " * 2)
    lines = display.console.render_lines(pictures[-1], pad=False)
    text = ["".join(segment.text for segment in line) for line in lines]
    assert len(text) < 24 and max(map(len, text)) <= 80
    assert any("30  30e-06" in line or "30  3e-5" in line for line in text), text
    assert any(line.startswith("⋮ ") and line.strip().endswith("more jobs") for line in text)
    assert "job 29 failed: The reward is broken. Traceback" in "\n".join(text)
    assert "30 of 60 jobs have ended, 2 slots: 29 completed, 1 failed; on the Pareto front" in "\n".join(text)
