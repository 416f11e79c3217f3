"""Starts the small composer of server_driver.py, kills it where one likes, and counts what is left."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import psutil
from marked_processes import marked_processes
from real_runs import environment

import grpo_cli
from grpo_cli.runs.folder import RunFolder

HERE = Path(__file__).parent
SHM = Path("/dev/shm")


class Serving:
    """One run with a server; `mark` is in the environment of every process that it starts.

    Args:
        root: the run's folder.
        server: words for fake_server.py.
        worker: words for dummy_worker.py.
        given: keys of server_driver.py.
    """

    def __init__(self, root: Path, server: str = "", worker: str = "", **given: Any) -> None:
        self.folder = RunFolder(root)
        self.names = root.parent / f"{root.name}-shm.json"
        self.mark = uuid.uuid4().hex
        env = os.environ | {
            "FAKE_SERVER": server,
            "DUMMY": worker,
            "TEST_MARK": self.mark,
            "SHM_NAMES": str(self.names),
            "PYTHONPATH": str(Path(grpo_cli.__file__).parents[1]),
        }
        argv = [sys.executable, str(HERE / "server_driver.py"), str(root), json.dumps(given)]
        self.process = subprocess.Popen(
            argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def events(self) -> list[dict[str, Any]]:
        """What the display would be told, so far."""
        text = self.folder.events.read_text() if self.folder.events.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def wait_for_phase(self, name: str, seconds: float = 40.0) -> None:
        """Wait until the run says that it is in a phase."""
        deadline = time.monotonic() + seconds
        while not any(event.get("name") == name for event in self.events()):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, f"no phase {name}: {self.events()}"
            time.sleep(0.02)

    def url(self) -> str:
        """The address that the display was told."""
        return next(event["value"] for event in self.events() if event.get("key") == "rollout.server")

    def find(self, what: str) -> int | None:
        """The pid of a process by its role: `composer`, `server` or `rank`."""
        if what == "composer":
            return self.process.pid
        script = {"server": "fake_server.py", "rank": "dummy_worker.py"}[what]
        for process in self.left():
            with contextlib.suppress(psutil.Error, OSError):
                words = process.cmdline()
                if any(w.endswith(script) for w in words) and not any(w.endswith("warden.py") for w in words):
                    return process.pid
        return None

    def end(self, seconds: float = 40.0) -> tuple[int, dict[str, Any]]:
        """Its exit code and what it printed."""
        out, err = self.process.communicate(timeout=seconds)
        try:
            return self.process.returncode, json.loads(out)
        except ValueError:
            return self.process.returncode, {"stderr": err}

    def left(self, seconds: float = 0.0) -> list[psutil.Process]:
        """Processes of this run that still run, after at most so many seconds; the composer not."""
        return marked_processes(self.mark, seconds, but=self.process.pid)

    def segments(self) -> list[str]:
        """Shared memory of this run's server that still is there."""
        names = json.loads(self.names.read_text()) if self.names.exists() and self.names.read_text() else []
        return [name for name in names if (SHM / name).exists()]

    def clean(self) -> None:
        """End whatever is left, after a test that failed."""
        for process in [*self.left(), self.process]:
            with contextlib.suppress(psutil.Error, OSError):
                process.kill()
        for name in self.segments():
            (SHM / name).unlink(missing_ok=True)


def pretend_gpus(place: Path) -> dict[str, str]:
    """An environment in which the composer finds two GPUs, a torch that can use them and a vLLM; none is real."""
    (place / "torch").mkdir(parents=True)
    (place / "torch" / "__init__.py").write_text("raise ImportError('the composer must not import torch')")
    (place / "torch" / "version.py").write_text("__version__ = '2.13.0'\ncuda = '13.0'\n")
    (place / "vllm").mkdir()
    (place / "vllm" / "__init__.py").write_text("raise ImportError('the composer must not import vllm')")
    (place / "vllm-0.25.0.dist-info").mkdir()
    (place / "vllm-0.25.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.25.0\n")
    smi = place / "nvidia-smi"
    rows = "\\n".join(f"{i}, GPU-{i}, NVIDIA A100-SXM4-80GB, 81920" for i in range(2))
    smi.write_text(f"#!/bin/sh\nprintf '{rows}\\n'\n")
    smi.chmod(0o755)
    whole = environment()
    whole["PATH"] = f"{place}{os.pathsep}{whole['PATH']}"
    whole["PYTHONPATH"] = f"{place}{os.pathsep}{whole['PYTHONPATH']}"
    whole.pop("CUDA_VISIBLE_DEVICES", None)
    return whole


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")
TARGETS = ("composer", "server", "rank")
ALL_WORDS = ("leaky", "leaky stubborn", "leaky slow")


def kill_at_random(root: Path, seed: int, longest: float = 8.0) -> tuple[str, list[str]]:
    """Start a run, kill something of it at a random moment, and look for what is left.

    Args:
        root: a folder for the run.
        seed: decides who is killed, by which signal, when, and how the server behaves.
        longest: most seconds after the start.

    Returns:
        What was done, and what was found: nothing, when all is well.
    """
    draw = random.Random(seed)
    name, target, words = draw.choice(SIGNALS), draw.choice(TARGETS), draw.choice(ALL_WORDS)
    moment = draw.uniform(0.1, longest)
    grace = draw.choice((0, 1, 5))
    processes = draw.choice((1, 1, 2))
    run = Serving(root, words, draw.choice(("", "stubborn grandchild")), grace=grace, processes=processes)
    try:
        time.sleep(moment)
        pid = run.find(target)
        told = f"seed {seed}: {name} to the {target} after {moment:.2f} s, server {words}, ranks {processes}"
        if pid is None:  # not started yet: whoever is there gets it
            pid, told = run.process.pid, f"{told} (the composer: there was no {target} yet)"
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, name))
        phases = [event["name"] for event in run.events() if event.get("event") == "phase"]
        # SIGHUP and SIGINT mean nothing to some of them: the run then goes on, and is ended as a user would.
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.process.wait(4)
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
            told += ", which it took; then SIGTERM to the composer"
        code, _ = run.end(60)
        left = [f"{p.pid} {' '.join(p.cmdline())[:100]}" for p in run.left(seconds=5)]
        return f"{told}, phase {phases[-1] if phases else 'none'}: exit code {code}", left + run.segments()
    finally:
        run.clean()
