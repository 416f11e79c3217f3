"""Optuna is an extra, and nothing but a sweep that uses it pays for it."""

import subprocess
import sys

import pytest
from real_runs import environment

from grpo_cli.errors import ConfigError
from grpo_cli.sweep.optuna.options import PRUNER_OPTIONS, SAMPLER_OPTIONS
from grpo_cli.sweep.optuna.package import require


@pytest.mark.parametrize(("missing", "sampler"), [("optuna", "tpe"), ("cmaes", "cmaes")])
def test_a_missing_package_is_one_sentence_that_names_the_extra(monkeypatch, missing: str, sampler: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=rf"needs the package {missing}: pip install 'grpo-train\[optuna\]'"):
        require(sampler)


def test_reading_and_checking_a_space_imports_nothing_heavy() -> None:
    modules = ("run", "batches", "study", "trials", "samplers", "pruners", "journal", "package")
    script = "; ".join(
        [
            *(f"import grpo_cli.sweep.optuna.{module}" for module in modules),
            "import sys, hydra_plugins.grpo_train_optuna.sweeper",
            "print([n for n in ('optuna', 'numpy', 'torch', 'trl', 'datasets', 'pandas') if n in sys.modules])",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_options_offered_are_optunas() -> None:
    import inspect

    from optuna import pruners, samplers

    classes = {
        "tpe": samplers.TPESampler,
        "cmaes": samplers.CmaEsSampler,
        "nsga2": samplers.NSGAIISampler,
        "median": pruners.MedianPruner,
        "asha": pruners.SuccessiveHalvingPruner,
        "hyperband": pruners.HyperbandPruner,
    }
    for name, options in {**SAMPLER_OPTIONS, **PRUNER_OPTIONS}.items():
        known = inspect.signature(classes[name].__init__).parameters if options else ()
        assert set(options) <= set(known), name
