"""Supervision without a kill: what is called, cleared, reported and put back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from grpo_cli.launch.identity import is_running, own_identity, start_mark
from grpo_cli.launch.plan import plan_launch
from grpo_cli.launch.supervise import last_phase, supervise
from grpo_cli.runs import jsonl
from grpo_cli.runs.folder import RunFolder

DUMMY = str(Path(__file__).with_name("dummy_worker.py"))


def run(root: Path, behaviour: str, *, ticks: list[int] | None = None, **launch):
    folder = RunFolder(root)
    cfg = {"kind": "cpu", "env": {"DUMMY": behaviour}} | launch
    plan = plan_launch(cfg, {}, root, worker=[DUMMY])
    return folder, supervise(plan, folder, on_tick=lambda: ticks.append(1) if ticks is not None else None)


def test_a_good_run(tmp_path: Path):
    ticks: list[int] = []
    folder, outcome = run(tmp_path, "quick", ticks=ticks)
    assert (outcome.exit_code, outcome.status, outcome.error) == (0, "completed", None)
    assert ticks and 0 < outcome.seconds < 20
    assert "rank 0 of 1" in folder.worker_log.read_text()


def test_the_log_is_appended_to_and_old_requests_and_errors_are_cleared(tmp_path: Path):
    folder = RunFolder(tmp_path)
    folder.logs.mkdir()
    folder.worker_log.write_text("first launch\n")
    folder.stop_request.write_text("SIGINT")
    folder.error(0).write_text('{"rank": 0, "kind": "config", "message": "of yesterday"}')
    _, outcome = run(tmp_path, "raise")
    assert folder.worker_log.read_text().startswith("first launch\n")
    assert not folder.stop_request.exists()
    assert outcome.exit_code == 1
    assert outcome.error.startswith("The worker failed: ValueError: reward mine: row 3 gave inf")


def test_a_configuration_error_of_the_worker_exits_with_2(tmp_path: Path):
    _, outcome = run(tmp_path, "config")
    assert (outcome.exit_code, outcome.status) == (2, "failed")
    assert outcome.error.startswith("training.beta=x is not a number")


@pytest.mark.slow
def test_a_configuration_error_of_a_rank_exits_with_2(tmp_path: Path):
    _, outcome = run(tmp_path, "config", num_processes=2)
    assert (outcome.exit_code, outcome.status) == (2, "failed")
    assert outcome.error.splitlines()[0] == "training.beta=x is not a number; write training.beta=0.04."


def test_a_crash_in_compiled_code_is_named(tmp_path: Path):
    _, outcome = run(tmp_path, "segfault")
    assert outcome.exit_code == 1
    assert outcome.error.startswith("Rank 0 was killed by SIGSEGV")


def test_a_program_that_cannot_be_started(tmp_path: Path):
    plan = plan_launch({"kind": "cpu"}, {}, tmp_path, worker=["-m", "no_such_module_of_ours"])
    outcome = supervise(plan, RunFolder(tmp_path), on_tick=lambda: None)
    assert outcome.exit_code == 1 and "no_such_module_of_ours" in outcome.error


def test_signal_handlers_are_put_back(tmp_path: Path):
    def mine(number, frame):
        raise AssertionError

    former = signal.signal(signal.SIGTERM, mine)
    try:
        run(tmp_path, "quick")
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, former)


def test_outside_the_main_thread(tmp_path: Path):
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(run(tmp_path, "quick")[1]))
    thread.start()
    thread.join(30)
    assert outcomes[0].exit_code == 0


def test_no_file_descriptors_are_lost(tmp_path: Path):
    run(tmp_path / "a", "quick")
    before = len(list(Path("/proc/self/fd").iterdir()))
    run(tmp_path / "b", "quick")
    run(tmp_path / "c", "raise")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_last_phase_is_this_launchs(tmp_path: Path):
    folder = RunFolder(tmp_path)
    assert last_phase(folder) is None
    jsonl.append(folder.events, {"event": "phase", "name": "training"})
    size = folder.events.stat().st_size
    assert (last_phase(folder), last_phase(folder, size)) == ("training", None)
    jsonl.append(folder.events, {"event": "sample", "completion": '"phase"', "name": "no"}, {"event": "step"})
    jsonl.append(folder.events, {"event": "phase", "name": "saving"})
    with folder.events.open("a") as torn:
        torn.write('{"event": "phase", "na')
    assert last_phase(folder, size) == "saving"


def test_in_the_foreground_the_worker_has_the_terminal(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from grpo_cli.launch.plan import plan_launch;"
        "from grpo_cli.launch.supervise import supervise; from grpo_cli.runs.folder import RunFolder;"
        "root = Path(sys.argv[1]); worker = [sys.argv[2]];"
        "plan = plan_launch({'kind': 'cpu', 'foreground': True}, {}, root, worker=worker);"
        "sys.exit(supervise(plan, RunFolder(root), on_tick=lambda: None).exit_code)"
    )
    worker = tmp_path / "w.py"
    worker.write_text("import sys; print('you said', input()); sys.exit(3)")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(worker)],
        input="hello\n",
        capture_output=True,
        text=True,
    )
    assert done.stdout == "you said hello\n", done.stderr
    assert done.returncode == 1
    assert not RunFolder(tmp_path).worker_log.exists()


def test_a_process_is_told_apart_from_one_that_has_ended():
    assert is_running(own_identity())
    child = subprocess.Popen(["sleep", "60"])
    try:
        mark = start_mark(child.pid)
        assert mark is not None and is_running(f"{child.pid}:{mark}")
        assert not is_running(f"{child.pid}:{int(mark) - 1}"), "the pid of another process"
    finally:
        child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, not yet collected
    assert not is_running(f"{child.pid}:{mark}"), "a zombie"
    child.wait()


def test_a_guard_whose_composer_has_gone_ends_the_worker_at_once():
    gone = subprocess.run(
        [sys.executable, "-c", "from grpo_cli.launch.identity import own_identity as o; print(o())"],
        capture_output=True,
        text=True,
    ).stdout.strip()
    code = "from grpo_cli.launch import worker_guard as g; g.arm(); import time; time.sleep(30)"
    env = os.environ | {"GRPO_TRAIN_COMPOSER": gone}
    assert subprocess.run([sys.executable, "-c", code], env=env, timeout=10).returncode == 137


def test_a_worker_started_by_hand_is_not_guarded():
    code = "import threading; from grpo_cli.launch import worker_guard as g; g.arm();print(threading.active_count())"
    env = {k: v for k, v in os.environ.items() if k != "GRPO_TRAIN_COMPOSER"}
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True).stdout == b"1\n"


def test_nothing_heavy_is_imported():
    code = (
        "import sys, grpo_cli.launch.supervise, grpo_cli.launch.worker_guard, grpo_cli.config.groups.launch;"
        "print([m for m in ('torch', 'numpy', 'accelerate', 'transformers', 'hydra') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).stdout == b"[]\n"


@pytest.mark.slow
def test_two_cpu_ranks_are_two_ranks_whatever_accelerates_own_config_says(tmp_path: Path, monkeypatch):
    # A default file as `accelerate config` leaves it, which would change machine, GPUs and threads.
    home = tmp_path / "home" / "accelerate"
    home.mkdir(parents=True)
    (home / "default_config.yaml").write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\nnum_processes: 7\nnum_machines: 2\n"
        "machine_rank: 1\nmain_process_ip: 10.0.0.1\nmain_process_port: 1\ngpu_ids: '3'\nuse_cpu: false\n"
    )
    monkeypatch.setenv("HF_HOME", str(home.parent))
    folder, outcome = run(tmp_path / "run", "allreduce", num_processes=2)
    assert outcome.exit_code == 0, outcome.error
    assert [(folder.root / f"sum{r}").read_text() for r in (0, 1)] == ["3.0", "3.0"]
    ports = set()
    for rank in (0, 1):
        told = json.loads((folder.root / f"rank{rank}.json").read_text())
        assert told["world"] == 2
        assert told["env"]["GRPO_TRAIN_WORLD_SIZE"] == "2"
        assert told["env"]["ACCELERATE_USE_CPU"] == "true"
        assert "PYTHONSAFEPATH" not in told["env"]
        ports.add(told["env"]["MASTER_PORT"])
    assert len(ports) == 1 and ports != {"29500"} and ports != {"0"}


@pytest.mark.slow
def test_two_launches_at_one_time_do_not_collide(tmp_path: Path):
    results = {}

    def one(name: str) -> None:
        results[name] = run(tmp_path / name, "allreduce", num_processes=2)[1]

    threads = [threading.Thread(target=one, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [results[n].exit_code for n in ("a", "b")] == [0, 0], results
