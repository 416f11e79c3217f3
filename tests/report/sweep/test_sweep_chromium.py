"""The leaderboard in a real browser: nothing is wider than the screen, no request, jobs tell themselves."""

from __future__ import annotations

import pytest
from report.devtools import CHROMIUM, browser
from sweeps import OBJECTIVE, record_sweep

from grpo_cli.report.sweep.read import read_sweep
from grpo_cli.report.sweep.standings import standings
from grpo_cli.report.sweep.write import write_page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: install it to test the page in it")
NAMES = ("training.learning_rate", "training.num_generations", "reward", "model.a_name_that_is_rather_long_for_a_phone")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    jobs = [
        {"overrides": [f"{n}={(i * 7 + k) % 5 + 1}" for k, n in enumerate(NAMES)] + [f"seed={seed}"],
         "value": 0.1 * (i % 5) + 0.05 * seed, "values": [0.1 * (i % 5) + 0.05 * seed, 20.0 - i],
         "status": "pruned" if i == 3 else "completed"}
        for i in range(8)
        for seed in (1, 2)
    ]  # fmt: skip
    objectives = [OBJECTIVE, "eval/held_out/completion_length"]
    folder = record_sweep(
        tmp_path_factory.mktemp("sweep"), jobs, objectives=objectives, directions=["maximize", "minimize"]
    )
    path = write_page(standings(read_sweep(folder)))
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        tab.size(1280, 900)
        tab.open(path.as_uri())
        yield tab
        assert tab.problems == []
        assert [r for r in tab.requests if not r.startswith("file:")] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_is_wider_than_the_screen(page, width, dark):
    page.size(width, 800, dark)
    assert page.run("document.documentElement.scrollWidth") <= width


def test_a_job_pointed_at_is_told_and_shown_everywhere(page):
    page.size(1280, 900)
    page.run("document.querySelector('#plot-objective-over-jobs svg').focus()")
    page.press("ArrowRight")
    page.press("ArrowRight")
    line = page.run("document.querySelector('#plot-objective-over-jobs .told-job').textContent")
    assert line.startswith("job 1: training.learning_rate=1") and "seed 2: held-out accuracy 10\u202f%" in line
    assert page.run("document.querySelectorAll('.on').length") >= 4  # dots, lines, the table's row
    assert page.run("[...document.querySelectorAll('.on')].every((n) => n.dataset.job === '1')")
    page.run("document.activeElement.blur()")
    assert page.run("document.querySelectorAll('.on').length") == 0
    assert page.run("document.querySelectorAll('#plot-pareto-1 .front').length") > 0
