"""The probe: two real steps on two ranks, measured; memory that runs out; a Ctrl-C; nothing left in any case."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from real_runs import environment

from grpo_cli.errors import ConfigError, RunError
from grpo_cli.forecast.measured import BACKWARD, GENERATION, OPTIMIZER, REWARD, Measurement, Rank, read_measurement
from grpo_cli.forecast.savings import Saving
from grpo_cli.launch.outcome import Outcome
from grpo_cli.preflight.finding import Finding
from grpo_cli.preflight.probe import Progress, probe_findings, run_probe
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.jsonl import append

COMMAND = [sys.executable, "-m", "grpo_cli.commands.check", "probe=true", "--json"]
SAVES = [Saving("training.max_completion_length=32", 5e9, "cut"), Saving("peft=lora", 1e9, "an adapter")]


def failed(error: str, code: int = 1) -> Outcome:
    return Outcome(code, "failed", None, error, 3.0)


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A working directory, and an environment whose temporary files lie beside it."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path / "work", environment(CUDA_VISIBLE_DEVICES="", TMPDIR=str(tmp_path / "tmp"), OMP_NUM_THREADS="1")


@pytest.mark.slow
def test_two_ranks_are_measured_at_full_length_and_nothing_stays(place: tuple[Path, dict[str, str]]) -> None:
    folder, env = place
    rows = [{"prompt": f"What is {n}+{n}?", "answer": str(2 * n)} for n in range(200)]
    rows[77]["prompt"] = "Please tell me, what is 77+77, if you would be so kind?"
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    overrides = [
        *("dataset=rows.jsonl", "launch.num_processes=2", "training.per_device_train_batch_size=8"),
        *("training.max_completion_length=24", "training.max_steps=50", "training.steps_per_generation=2"),
    ]
    done = subprocess.run([*COMMAND, *overrides], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    ranks = told["probe"]["ranks"]
    assert [rank["rank"] for rank in ranks] == [0, 1]
    for rank in ranks:
        assert rank["completion_tokens"] == 24
        assert all(rank["seconds"][name] > 0 for name in (GENERATION, REWARD, BACKWARD, OPTIMIZER))
        assert 2e8 < rank["peak_bytes"] < 3e9 and rank["phases"][rank["peak_phase"]] == rank["peak_bytes"]
    assert max(rank["prompt_tokens"] for rank in ranks) > 30
    assert told["time"]["source"] == "probe"
    assert told["time"]["total_seconds"] == pytest.approx(50 * told["probe"]["step_seconds"], rel=0.01)
    assert "probe: step 2 of 2 is done" in done.stderr
    assert list((folder.parent / "tmp").glob("grpo-check*")) == []
    assert [path.name for path in folder.iterdir()] == ["rows.jsonl"]


@pytest.mark.slow
def test_ctrl_c_leaves_no_process_and_no_file(place: tuple[Path, dict[str, str]]) -> None:
    folder, env = place
    process = subprocess.Popen(COMMAND, cwd=folder, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line == "grpo-check: probe: starting\n"
    below = psutil.Process(process.pid).children(recursive=True)
    assert below and list((folder.parent / "tmp").glob("grpo-check*"))
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    deadline = time.monotonic() + 5
    while any(child.is_running() for child in below) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(child.is_running() for child in below)
    assert list((folder.parent / "tmp").glob("grpo-check*")) == [] and list(folder.iterdir()) == []


def test_a_configuration_with_errors_is_not_started(place: tuple[Path, dict[str, str]]) -> None:
    folder, env = place
    done = subprocess.run([*COMMAND, "training.num_generations=6"], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 2 and json.loads(done.stdout)["probe"] is None and done.stderr == ""


def test_a_generation_that_feeds_several_steps_counts_by_its_share(tmp_path: Path) -> None:
    phases = {
        "generation": {"seconds": 8.0, "calls": 2, "resident": 100, "allocated": None, "reserved": None},
        "backward": {"seconds": 3.0, "calls": 4, "resident": 300, "allocated": None, "reserved": None},
    }
    for rank, passes in ((0, 2), (1, 1)):
        facts = {"passes": passes, "passes_per_generation": 4, "phases": phases, "phase": "other", "done": True}
        (tmp_path / f"probe-rank{rank}.json").write_text(json.dumps(facts))
    found = read_measurement(tmp_path)
    assert found is not None
    # A generation takes 4 s and feeds four passes, of which a step has two: 2 s a step, and 3 s of its own.
    assert found.ranks[0].seconds == {"generation": 2.0, "backward": 3.0}
    assert found.step_seconds == 5.0 and found.worst.peak_phase == "backward"
    assert read_measurement(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("ranks", "error", "code", "says"),
    [
        ([Rank(0, phase="other"), Rank(1, phase=BACKWARD, out_of_memory=True)], "rank 1: out of memory",
         "probe.out_of_memory", "rank 1"),
        ([Rank(0, phase=GENERATION, peaks={GENERATION: 2**30})], "Rank 0 was killed by SIGKILL: the system ran out of "
         "memory", "probe.out_of_memory", "'generation'"),
        ([Rank(0)], "The model cannot be read\nThe whole log: /tmp/gone", "probe.failed", "The model cannot be read"),
        ([], "The worker ended with exit code 1.", "probe.failed", "exit code 1"),
    ],
)  # fmt: skip
def test_how_a_failed_probe_is_told(ranks: list[Rank], error: str, code: str, says: str) -> None:
    (found,) = probe_findings(Measurement(ranks) if ranks else None, failed(error), SAVES)
    assert isinstance(found, Finding) and (found.code, found.severity) == (code, "error") and says in found.what
    assert found.fixes == (tuple(s.override for s in SAVES) if code.endswith("memory") else ())
    assert "whole log" not in found.what + found.why
    assert probe_findings(None, Outcome(0, "completed", None, None, 1.0), SAVES) == []


@pytest.mark.slow  # it imports all of training
def test_memory_that_runs_out_is_noted_with_its_phase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grpo_cli.runs.recorder import Recorder
    from grpo_cli.training import probe
    from grpo_cli.training.parts import Parts

    def build(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:120] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(probe, "build_trainer", build)
    folder = RunFolder(tmp_path)
    with pytest.raises(RunError, match="out of memory in the phase 'loading the model'"):
        probe.take_steps(Parts({"training": {}}, folder, Recorder(folder), None, None, None, [], []))
    noted = json.loads((tmp_path / "probe-rank0.json").read_text())
    assert noted["out_of_memory"] and noted["phase"] == "loading the model"


def test_phases_nest_and_the_second_step_is_timed_alone() -> None:
    import torch

    from grpo_cli.training.phases import PhaseMeter

    seen: list[str] = []
    meter = PhaseMeter(torch.device("cpu"), seen.append)
    with meter.phase(GENERATION):
        time.sleep(0.05)
    meter.forget_times()
    with meter.phase(GENERATION):
        time.sleep(0.02)
        with meter.phase(REWARD):
            time.sleep(0.04)
    generation, reward = meter.phases[GENERATION], meter.phases[REWARD]
    assert 0.015 < generation.seconds < reward.seconds and (generation.calls, reward.calls) == (1, 1)
    assert generation.resident and generation.resident > 10e6
    assert seen[-4:] == [GENERATION, REWARD, GENERATION, "other"]


def test_the_peak_is_of_the_phase_and_not_of_one_before() -> None:
    import torch

    from grpo_cli.training.phases import PhaseMeter

    meter = PhaseMeter(torch.device("cpu"))
    with meter.phase("large"):
        held = torch.ones(64 * 2**20)
        del held
    with meter.phase("small"):
        pass
    assert meter.phases["large"].resident - meter.phases["small"].resident > 200e6


@pytest.mark.parametrize(
    ("launch", "says"), [({"nodes": {"count": 2}}, "launch.nodes.count=1"), ({"slurm": {"submit": True}}, "Slurm")]
)
def test_launches_that_need_other_machines_are_refused(launch: dict, says: str, machines: Callable) -> None:
    with pytest.raises(ConfigError, match=says):
        run_probe(None, {"launch": launch}, machines["cpu"])  # type: ignore[arg-type]


def test_progress_is_told_once_a_line(tmp_path: Path) -> None:
    said: list[str] = []
    folder = RunFolder(tmp_path)
    progress = Progress(folder, said.append)
    progress.tick()
    append(folder.events, {"event": "phase", "name": "starting"}, {"event": "step", "step": 1})
    progress.tick()
    with folder.events.open("a") as events:
        events.write('{"event": "phase", ')  # a line that is being written
    progress.tick()
    assert said == ["probe: starting", "probe: step 1 of 2 is done"]
