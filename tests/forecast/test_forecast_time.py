"""How long a run will take, by runs that were: which count, what is said, and where there are none."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from grpo_cli.forecast.measured import Measurement, Rank
from grpo_cli.forecast.shape import shape_of
from grpo_cli.forecast.time import from_earlier, from_probe
from grpo_cli.launch.hardware import Gpu, Hardware

MACHINE = Hardware("host", "Linux", "CPU", 8, 64 * 2**30, (), "2.13.0", None)
CONFIG: dict[str, Any] = {
    "model": {"name": "embedded"},
    "peft": {"method": "none"},
    "training": {"per_device_train_batch_size": 64, "max_steps": 100, "beta": 0.0},
    "dataset": {"generator": "addition", "generator_kwargs": {"num_train": 64, "digits": 3}},
    "reward": {"exact_match": {"target": "a:b", "weight": 1.0}},
    "launch": {"kind": "auto", "sharding": "none"},
    "name": "one",
    "seed": 1,
}


def run(root: Path, name: str, shape: str, steps: Iterable[float], **result: Any) -> None:
    folder = root / "grpo" / name
    folder.mkdir(parents=True)
    (folder / "provenance.json").write_text(json.dumps({"shape": shape}, indent=2))
    lines = [{"kind": "train", "step": i, "step_time": seconds} for i, seconds in enumerate(steps)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"kind": "eval"}\n{"ki')
    (folder / "result.json").write_text(json.dumps(result))


def shape(**changes: Any) -> str:
    config = json.loads(json.dumps(CONFIG))
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            config[section][name] = value
        else:
            config[section] = value
    return shape_of(config, MACHINE, kind="cpu", world_size=1)


def test_the_median_of_the_runs_of_the_same_shape(tmp_path: Path) -> None:
    run(tmp_path, "first", "a" * 16, [9.0, 1.0, 1.2, 1.1], status="interrupted")
    done = {"status": "completed", "attempts": 1, "seconds": 70.0, "step": 4}
    run(tmp_path, "second", "a" * 16, [8.0, 1.0, 1.4], timings={"train_seconds": 6.0}, **done)
    run(tmp_path, "other", "b" * 16, [50.0, 50.0])
    found = from_earlier("a" * 16, tmp_path, 100)
    assert found is not None and (found.step, found.low, found.high) == (1.1, 1.0, 1.4)
    # 1.5 s a step with what was between the steps, and 64 s of loading, evaluating and saving.
    assert found.total == 100 * 1.5 + 64.0 and found.source == "earlier runs"
    assert len(found.runs) == 2 and "2 earlier runs of the same shape" in found.detail
    assert found.as_dict()["steps_per_hour"] == pytest.approx(3600 / 1.1, rel=0.001)


def test_only_interrupted_runs_give_the_steps_alone(tmp_path: Path) -> None:
    run(tmp_path, "first", "a" * 16, [9.0, 2.0], status="interrupted")
    found = from_earlier("a" * 16, tmp_path, 10)
    assert found is not None and found.total == 20.0
    unknown = from_earlier("a" * 16, tmp_path, None)
    assert unknown is not None and unknown.total is None


def test_no_run_no_forecast(tmp_path: Path) -> None:
    assert from_earlier("a" * 16, tmp_path / "nowhere", 10) is None
    run(tmp_path, "empty", "a" * 16, [])
    assert from_earlier("a" * 16, tmp_path, 10) is None


@pytest.mark.parametrize(
    "changes",
    [{"seed": 2}, {"name": "two"}, {"training__max_steps": 7},
     {"dataset__generator_kwargs": {"num_train": 9, "digits": 3}}, {"launch__grace_seconds": 5.0},
     {"training__learning_rate": 1.0}],
)  # fmt: skip
def test_what_takes_no_time_is_no_part_of_the_shape(changes: dict[str, Any]) -> None:
    assert shape(**changes) == shape()


@pytest.mark.parametrize(
    "changes",
    [{"model__name": "other"}, {"training__per_device_train_batch_size": 32}, {"training__max_completion_length": 9},
     {"training__beta": 0.1}, {"launch__sharding": "fsdp2"}, {"peft__method": "lora"},
     {"reward": {"x": {"target": "c:d"}}}, {"dataset__max_prompt_tokens": 5}],
)  # fmt: skip
def test_what_takes_time_is(changes: dict[str, Any]) -> None:
    assert shape(**changes) != shape()


def test_the_hardware_is_part_of_the_shape() -> None:
    gpu = Gpu("0", "GPU-0", "NVIDIA A100", 81920)
    two = [
        shape_of(CONFIG, MACHINE, kind=kind, world_size=size, gpus=gpus)
        for kind, size, gpus in (("cpu", 1, ()), ("cpu", 2, ()), ("single_gpu", 1, (gpu,)))
    ]
    assert len(set(two)) == 3


def test_a_probe_gives_steps_alone() -> None:
    found = from_probe(Measurement([Rank(0, seconds={"generation": 1.0, "backward": 0.5}), Rank(1)]), 100)
    assert (found.step, found.total, found.source) == (1.5, 150.0, "probe")
