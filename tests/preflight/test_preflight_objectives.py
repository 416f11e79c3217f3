"""What a run is judged by: one metric or several, settled before anything starts."""

from __future__ import annotations

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.preflight.objective import settle_objectives
from grpo_cli.runs.objectives import as_keys, objectives_of

ACCURACY, LENGTH = "eval/held_out/accuracy", "eval/held_out/completion_length"


@pytest.mark.parametrize(
    ("overrides", "settled"),
    [
        ([], {"objective": ACCURACY, "direction": "maximize"}),
        (["objective=[reward]", "direction=[minimize]"], {"objective": "reward", "direction": "minimize"}),
        (
            [f"objective=[auto,{LENGTH}]", "direction=[maximize,minimize]"],
            {"objective": [ACCURACY, LENGTH], "direction": ["maximize", "minimize"]},
        ),
        (
            [f"objective=[{LENGTH},loss]", "direction=minimize"],
            {"objective": [LENGTH, "loss"], "direction": ["minimize", "minimize"]},
        ),
    ],
)
def test_words_stay_words_and_a_direction_serves_all(situate, overrides, settled) -> None:
    config = dict(situate(*overrides).config)
    objectives = settle_objectives(config)
    assert as_keys(objectives) == settled
    assert objectives_of({**config, **settled}) == objectives  # what the worker and a resumed run read


def test_every_problem_of_a_list_is_told_at_once(situate) -> None:
    config = situate("objective=[eval/held_out/acuracy,rewrd]", "direction=[maximize,maximize,minimize]").config
    with pytest.raises(ConfigError) as raised:
        settle_objectives(config)
    assert len(raised.value.problems) == 3


def test_a_list_that_needs_held_out_rows_warns_by_the_metric_that_does(situate) -> None:
    from grpo_cli.preflight.rules.evaluation import needs_held_out

    situation = situate("objective=[loss,auto]", "dataset.test_size=0")
    warned = [f.what for f in needs_held_out(situation)] if situation.rows and not situation.rows.test else []
    assert all("objective=auto is measured on held-out rows" in what for what in warned)
