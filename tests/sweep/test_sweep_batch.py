"""A batch of jobs against the machine's memory: auto takes fewer slots, a number that does not fit is refused."""

import json

import pytest

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.errors import ConfigError
from grpo_cli.launch.hardware import available_memory
from grpo_cli.launch.slots import Slot
from grpo_cli.sweep.batch import Batch


def batch(tmp_path, slots, **needs):
    parts = {int(number.removeprefix("job")): share * available_memory() for number, share in needs.items()}
    return Batch([Slot(n, (), 2) for n in range(slots)], tmp_path, needs=parts)


def test_auto_leaves_out_slots_that_memory_does_not_carry(tmp_path, capsys):
    planned = batch(tmp_path, 4, job0=0.2, job1=0.4, job2=0.3, job3=0.4)
    planned.pack(asked=False)
    assert [slot.cores for slot in planned.slots] == [4, 4]
    said = capsys.readouterr().err
    assert said.startswith("grpo-train: launch.slots=auto: 2 slots instead of 4: ") and said.count("\n") == 1


def test_what_fits_is_left_as_it_is(tmp_path, capsys):
    for planned in (batch(tmp_path, 2, job0=0.2, job1=0.4), batch(tmp_path, 2), batch(tmp_path, 1, job0=3.0)):
        before = planned.slots
        planned.pack(asked=True)
        assert planned.slots == before and capsys.readouterr().err == ""


def test_a_number_of_slots_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"launch\.slots=3: .* write launch\.slots=2 or launch\.slots=auto"):
        batch(tmp_path, 3, job0=0.4, job1=0.4, job2=0.4).pack(asked=True)


@pytest.mark.slow
def test_a_sweep_that_cannot_fit_is_refused_before_anything_starts(tmp_path, cli):
    config = json.loads((EMBEDDED_MODEL / "config.json").read_text())
    (tmp_path / "long").mkdir()
    (tmp_path / "long" / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 10**8}))
    # A model that is not here has no forecast, and is not counted.
    lengths = "training.max_completion_length=16,50000000"
    sweep = ["-m", "hydra.sweep.dir=sweep", "model=./long,nobody/nothing", lengths, "launch.slots=2"]
    done = cli(*sweep)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "launch.slots=2: 2 jobs at once are forecast to take" in done.stderr and "(job 1 " in done.stderr
    assert "write launch.slots=1 or launch.slots=auto" in done.stderr
    jobs = json.loads((tmp_path / "sweep" / "sweep.json").read_text())["jobs"]
    assert [job["status"] for job in jobs] == ["not started"] * 4
