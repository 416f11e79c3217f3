"""What a multirun may take."""

import pytest

from grpo_cli.errors import ConfigError
from grpo_cli.launch.hardware import Gpu
from grpo_cli.launch.slots import Slot
from grpo_cli.sweep.budget import Budget, budget_of, seconds_of

GPU = Slot(0, (Gpu("0", "GPU-0", "H200", 141_000),), 8)


def test_durations():
    assert [seconds_of(text) for text in ("90s", "30m", "1.5h", "2d", 45, "45")] == [90, 1800, 5400, 172800, 45, 45]


@pytest.mark.parametrize("value", ["soon", "-3h", 0, True, "8 hours", "h"])
def test_what_is_no_duration_is_refused(value):
    with pytest.raises(ConfigError, match=r"is no duration; write 90s, 30m, 8h or 2d"):
        seconds_of(value)


def test_what_is_spent_first_ends_it():
    budget = budget_of({"timeout": "1m", "gpu_hours": 0.5}, [GPU])
    assert budget.spent(59, 1799) is None
    assert budget.spent(60, 0) == "sweep.timeout: 60 s are over"
    assert budget.spent(0, 1800) == "sweep.gpu_hours: 0.5 GPU hours are spent"
    assert Budget().spent(1e9, 1e9) is None


def test_gpu_hours_need_gpus():
    with pytest.raises(ConfigError, match=r"the jobs run on the CPU; write sweep.timeout=2h"):
        budget_of({"gpu_hours": 2.0}, [Slot(0, (), 8)])
    with pytest.raises(ConfigError, match="must be more than 0"):
        budget_of({"gpu_hours": 0.0}, [GPU])
