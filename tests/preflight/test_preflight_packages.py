"""The tables of optional packages, against the installed transformers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from grpo_cli.config.trl_fields import package_dir, read_fields
from grpo_cli.launch.elsewhere import hardware_asked_for
from grpo_cli.launch.hardware import Hardware
from grpo_cli.preflight.packages import OPTIMIZERS, OTHER_TRACKERS, TRACKERS, package_problems
from grpo_cli.preflight.rules.packages import missing
from grpo_cli.preflight.situation import Situation

# The optimizers that transformers makes out of torch alone.
PLAIN = {"adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop"}


def config(**training: Any) -> dict[str, Any]:
    return {"training": training, "model": {"attn_implementation": "auto"}, "peft": {"method": "none"}}


def test_every_optimizer_is_plain_or_has_its_package() -> None:
    choices = read_fields()["optim"].choices
    assert choices is not None and set(choices) >= PLAIN
    for choice in choices:
        matching = [package for names, package, _ in OPTIMIZERS if re.fullmatch(names, choice)]
        assert bool(matching) is (choice not in PLAIN), choice


@pytest.mark.parametrize(("handler", "package"), [("_BITSANDBYTES", "bitsandbytes"), ("_TORCHAO", "torchao")])
def test_optimizers_come_from_the_package_transformers_takes_them_from(handler: str, package: str) -> None:
    source = (package_dir("transformers") / "trainer_optimizer.py").read_text()
    training_args = (package_dir("transformers") / "training_args.py").read_text()
    listed = re.search(rf"^{handler}_OPTIMIZERS = \[(.*?)\]", source, re.MULTILINE | re.DOTALL)
    assert listed
    for member in re.findall(r"OptimizerNames\.(\w+)", listed[1]):
        found = re.search(rf'^    {member} = "(\w+)"', training_args, re.MULTILINE)
        assert found, member
        first = next(p for names, p, _ in OPTIMIZERS if re.fullmatch(names, found[1]))
        assert first == package, found[1]


def test_trackers_are_those_of_transformers() -> None:
    source = (package_dir("transformers") / "integrations" / "integration_utils.py").read_text()
    table = re.search(r"^INTEGRATION_TO_CALLBACK = \{(.*?)\}", source, re.MULTILINE | re.DOTALL)
    assert table
    assert set(re.findall(r'"(\w+)":', table[1])) == {*TRACKERS, *OTHER_TRACKERS} - {"none", "all"}


def test_what_is_installed_or_not_asked_for_is_no_problem() -> None:
    assert package_problems(config(optim="adamw_torch", report_to="none", use_vllm=False), on_cpu=False) == []
    assert package_problems(config() | {"peft": {"method": "lora"}}, on_cpu=True) == []


def test_several_trackers_are_checked_one_by_one() -> None:
    (problem,) = package_problems(config(report_to=["none", "wandbb"]), on_cpu=True)
    assert problem.startswith("training.report_to cannot be wandbb; did you mean 'wandb'?")


def test_what_a_made_up_machine_has_installed_is_not_known() -> None:
    here = Hardware("box", "Linux", "CPU", 2, 2**34, (), "2.13.0", None)
    asked = config() | {"launch": {"sharding": "zero2"}}
    elsewhere = hardware_asked_for({"kind": "multi_gpu", "num_processes": 4}, here)
    for hardware, severity in ((here, "error"), (elsewhere, "warning")):
        (found,) = missing(Situation(asked, hardware, installed=lambda package: False))
        assert found.severity == severity and found.install == "pip install deepspeed"
