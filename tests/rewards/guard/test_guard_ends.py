"""However the process with the guard ends, nothing of the guard is left."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from real_runs import environment

SCRIPT = """
import os, sys, time
from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.guard.guard import Guard

cfg = {"bad": {"target": sys.argv[1] + ":bad", "timeout": 60}, "counter": {"target": sys.argv[1] + ":Counter"}}
guard = Guard(build_rewards(cfg, context=RewardContext()), cfg, context=RewardContext(), settings={"workers": 2})
assert guard.rewards[0](["p"] * 4, ["fine"] * 4) == [1.0] * 4
guard.rewards[0](["p"], ["daemon"])  # leaves a process in a session of its own
guard.begin(["p"], ["swallow"], None, {})  # and a worker is busy for good
time.sleep(0.3)
print("ready", flush=True)
if sys.argv[2] == "return":
    sys.exit(0)
if sys.argv[2] == "raise":
    raise RuntimeError("the run fails")
if sys.argv[2] == "exit":
    os._exit(3)
if sys.argv[2] == "close":
    guard.close()
    time.sleep(60)
guard.rewards[0](["p"], ["sleep"])
"""


@pytest.mark.parametrize("end", ["return", "raise", "exit", "close", "SIGKILL", "SIGTERM", "SIGINT"])
def test_nothing_is_left(bad_file, tmp_path, end):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(bad_file), end], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment(MARK=str(bad_file)), start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == b"ready\n"
        below = psutil.Process(process.pid).children(recursive=True) if end.startswith("SIG") else []
        if below:
            assert len(below) >= 4  # template, two workers, the reward's own, the counter's
            os.killpg(process.pid, getattr(signal, end))
        deadline = time.monotonic() + 10
        own = {process.pid} if end == "close" else set()
        while (left := running(below, str(bad_file), own)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not left
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def running(below, mark, own):
    """What was seen below the process, and whatever has the reward's file in its environment."""
    marked = [p for p in psutil.process_iter() if p.pid not in own and mark == environment_of(p)]
    return [p for p in {*below, *marked} if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def environment_of(process):
    try:
        return process.environ().get("MARK", "")
    except psutil.Error:
        return ""
