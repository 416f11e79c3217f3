"""What findings advise can be written on a command line as it stands, and no heavy module is needed to find it."""

import doctest
import shlex
import subprocess
import sys

import pytest
from real_runs import environment
from recordings import FOLDER, examine, load

from grpo_cli.config.compose import places
from grpo_cli.config.early import check_command_line
from grpo_cli.config.schema import reward_entry
from grpo_cli.doctor import facts, finding, wording
from grpo_cli.training import tracker_sinks


def advised():
    tries = {}
    for path in sorted(FOLDER.glob("*.jsonl")):
        for found in examine(load(path.stem)):
            tries |= dict.fromkeys(found.try_, found.rule)
    return tries


@pytest.mark.parametrize("override", advised())
def test_every_override_exists(override):
    for one in shlex.split(override):
        key, _, value = one.lstrip("+").partition("=")
        if key.startswith("reward."):
            name, field = key.split(".")[1:]
            assert name and (field in reward_entry() or field == "max_length")
        elif key in ("algorithm", "rollout", "reward"):
            assert value in places.choices(key)
        else:
            assert "." in key and "<" not in one
            check_command_line([one])


def test_finding_it_imports_nothing_heavy():
    code = (
        "import sys, grpo_cli.doctor.watch, grpo_cli.commands.chat, grpo_cli.chat.options, grpo_cli.runs.compare\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'accelerate', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)


@pytest.mark.parametrize("module", [facts, finding, wording, tracker_sinks], ids=lambda m: m.__name__)
def test_the_examples_of_docstrings_hold(module):
    assert doctest.testmod(module).attempted and not doctest.testmod(module).failed
