"""How a machine is shared out among the jobs of a multirun."""

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.launch.hardware import Gpu, Hardware
from grpo_cli.launch.slots import fewer_slots, plan_slots


def machine(gpus: int = 0, cores: int = 8) -> Hardware:
    found = tuple(Gpu(str(i), f"GPU-{i}", "H200", 141_000) for i in range(gpus))
    return Hardware("here", "Linux", "cpu", cores, 64 << 30, found, "2.13", "13.0" if gpus else None)


def gpus_of(slots):
    return [",".join(gpu.token for gpu in slot.gpus) for slot in slots]


def test_one_slot_is_the_whole_machine_as_ever():
    for launch, here in (({}, machine(8)), ({"slots": 1}, machine()), ({"slots": "auto"}, machine(cores=1))):
        (slot,) = plan_slots(launch, {}, here)
        assert slot.whole and slot.hardware(here) is here
        assert (slot.cores, slot.gpus) == (here.cores, here.usable_gpus)
    assert plan_slots({"kind": "cpu"}, {}, machine(8))[0].gpus == ()


def test_each_slot_has_gpus_of_its_own():
    assert gpus_of(plan_slots({"slots": "auto"}, {}, machine(4))) == ["0", "1", "2", "3"]
    assert gpus_of(plan_slots({"slots": "auto", "gpus_per_job": 2}, {}, machine(5))) == ["0,1", "2,3"]
    assert gpus_of(plan_slots({"slots": 2, "num_processes": 2}, {}, machine(8))) == ["0,1", "2,3"]
    assert gpus_of(plan_slots({"slots": 1, "gpus_per_job": 2}, {}, machine(8))) == ["0,1"]


def test_on_the_cpu_the_cores_are_shared_out():
    slots = plan_slots({"slots": 2}, {}, machine(cores=8))
    assert [(slot.cores, slot.gpus) for slot in slots] == [(4, ()), (4, ())]
    assert len(plan_slots({"slots": "auto"}, {}, machine(cores=8))) == 8
    assert len(plan_slots({"slots": "auto", "num_processes": 2}, {}, machine(cores=8))) == 4
    assert gpus_of(plan_slots({"slots": 2, "kind": "cpu"}, {}, machine(4))) == ["", ""]
    assert gpus_of(plan_slots({"slots": 2}, {"use_cpu": True}, machine(4))) == ["", ""]
    assert [slot.cores for slot in plan_slots({"slots": 3}, {}, machine(cores=2))] == [1, 1, 1]


def test_a_job_sees_its_part_of_the_machine_only():
    here = plan_slots({"slots": 2}, {}, machine(2, cores=8))[1].hardware(machine(2, cores=8))
    assert (here.cores, here.memory_bytes, [gpu.token for gpu in here.gpus]) == (4, 64 << 30, ["1"])


def test_slots_that_memory_does_not_carry_leave_their_cores_to_the_rest():
    slots = plan_slots({"slots": "auto"}, {}, machine(4, cores=8))
    assert [(slot.cores, slot.gpus[0].token) for slot in fewer_slots(slots, 3)] == [(2, "0"), (2, "1"), (2, "2")]
    assert [slot.cores for slot in fewer_slots(slots, 1)] == [8]
    assert fewer_slots(slots, 4) == slots


@pytest.mark.parametrize(
    ("launch", "gpus", "sentence"),
    [
        ({"slots": 3}, 2, "needs 3 GPUs and 2 can be used here; write launch.slots=2"),
        ({"slots": "auto", "gpus_per_job": 4}, 2, "write launch.gpus_per_job=2"),
        ({"slots": 2, "gpus_per_job": 1}, 0, "launch.gpus_per_job=1, and the jobs run on the CPU"),
        ({"slots": 2, "kind": "multi_gpu"}, 4, "write launch.gpus_per_job=2"),
        ({"slots": 2, "nodes": {"count": 2}}, 4, "launch.slots shares out one machine"),
        ({"slots": 0}, 4, "launch.slots=0 must be a whole number of 1 or more, or auto"),
        ({"slots": True}, 4, "launch.slots=True must be"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(launch, gpus, sentence):
    with pytest.raises(ConfigError, match=sentence):
        plan_slots(launch, {}, machine(gpus))
