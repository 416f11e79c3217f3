"""Which earlier sweep the same command goes on with, where Optuna thinks up the jobs."""

import json
from pathlib import Path

from grpo_cli.runs.sweep import find_unfinished

ASKED = ["sweep=optuna", "training.beta=interval(0,1)"]


def record(
    parent: Path, stamp: str, statuses: list[str], overrides: list[str] = ASKED, points: int | None = None
) -> Path:
    jobs = [{"number": number, "status": status} for number, status in enumerate(statuses)]
    (parent / stamp).mkdir()
    text = json.dumps({"overrides": overrides, "trials": 4, "points": points, "jobs": jobs})
    (parent / stamp / "sweep.json").write_text(text)
    return parent / stamp


def test_a_sweep_is_unfinished_while_fewer_trials_have_ended_than_are_wanted(tmp_path) -> None:
    found = record(tmp_path, "1", ["completed", "failed", "invalid", "pruned"])
    assert find_unfinished(tmp_path, ASKED, 4) is None  # a failed trial is not run again
    assert find_unfinished(tmp_path, ASKED, 5) == found
    assert find_unfinished(tmp_path, [*ASKED, "sweep.n_trials=5", "sweep.timeout=8h"], 5) == found
    grid = record(tmp_path, "2", ["completed"] * 4, points=4)
    assert find_unfinished(tmp_path, ASKED, float("inf")) is None
    (grid / "sweep.json").unlink()
    killed = record(tmp_path, "3", ["completed", "running", "interrupted"])
    assert find_unfinished(tmp_path, ASKED, 4) == killed


def test_another_sampler_or_space_on_the_command_line_is_another_sweep(tmp_path) -> None:
    record(tmp_path, "1", ["completed"])
    for other in ("sweep.sampler=random", "sweep.seed=1", "sweep.pruner=asha", "sweep.sampler_options.popsize=4"):
        assert find_unfinished(tmp_path, [*ASKED, other], 4) is None, other
    assert find_unfinished(tmp_path, ["sweep=optuna", "training.beta=interval(0,2)"], 4) is None
    assert find_unfinished(tmp_path, ["training.beta=interval(0,1)"], 4) is None
