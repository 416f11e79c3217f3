"""A sweep that really trained: what it wrote is what the leaderboard reads."""

from __future__ import annotations

import json

import pytest

from grpo_cli.report.sweep.compare import PROMPTS
from grpo_cli.report.sweep.experiment import compose, write_experiment
from grpo_cli.report.sweep.prompts import per_prompt
from grpo_cli.report.sweep.read import read_sweep
from grpo_cli.report.sweep.standings import completions_of, group_interval, standings
from grpo_cli.report.sweep.write import write_sweep_report
from grpo_cli.runs.resume import fingerprint


@pytest.mark.slow
def test_a_real_sweep_is_read_compared_and_made_an_experiment(cli, tmp_path):
    done = cli(
        *("-m", "debug=smoke", "reward=[exact_match],[exact_match,format]", "seed=1", "evaluation.every=1"),
        *("launch.slots=2", "hydra.sweep.dir=sweep", "display=plain"),
    )
    assert done.returncode == 0, done.stderr
    board = standings(read_sweep(tmp_path / "sweep"))
    assert [g.name for g in sorted(board.groups, key=lambda g: g.first)] == [
        "reward=[exact_match]",
        "reward=[exact_match,format]",
    ]
    for trial in board.sweep.trials:  # the mean over prompts is the objective, or nothing would be given
        assert len(per_prompt(trial, board.sweep.objectives[0])) == 8
        assert completions_of([trial]) == 8
    (compared,) = board.compared.values()
    assert compared.kind == PROMPTS and compared.count == 8
    assert group_interval(board.judged[0], board.sweep.objectives[0])[2] == "prompts of one seed"
    page = write_sweep_report(tmp_path / "sweep").read_text()
    assert 'href="0/report.html"' in page and 'href="1/report.html"' in page
    path, differing = write_experiment(board, "both", job=1)
    assert differing == [] and "/debug/smoke" in path.read_text()
    config = board.sweep.trials[1].run.config
    composed = compose(["experiment=both", "seed=1"])
    aside = {k: config[k] for k in ("objective", "direction")}  # `auto` until a run starts
    assert fingerprint({**composed, **aside}, {}) == fingerprint(config, {})
    assert json.loads((tmp_path / "sweep/1/result.json").read_text())["status"] == "completed"
