"""Reward functions that misbehave in every way we know of, and what runs them."""

import time

import psutil
import pytest

from grpo_cli.rewards.build import RewardContext, build_rewards
from grpo_cli.rewards.guard.guard import Guard
from grpo_cli.rewards.guard.pool import Pool

BAD = r"""
import asyncio, ctypes, os, re, signal, sys, threading, time
from pathlib import Path

def swallow():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

def deaf():
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    time.sleep(1000)

def fill():
    held = []
    while True:
        held.append(bytearray(1 << 20))

def fork(lives):
    if os.fork() == 0 and lives:
        os.setsid()
        time.sleep(1000)
    return 1.0

def alarm():
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    return 1.0

def deep(n=0):
    return deep(n + 1)

class Liar(float):
    def __reduce__(self):
        raise TypeError("no")

def raises(error):
    raise error

def flood():
    for _ in range(2000):
        print("x" * 1000)
        os.write(2, b"y" * 1000 + b"\n")
    return 1.0

DEEDS = {
    "bigint": lambda: 10**10**10,
    "regex": lambda: re.match(r"(a+)+$", "a" * 60 + "!"),
    "sleep": lambda: time.sleep(1000),
    "busy": lambda: sum(0 for _ in iter(int, 1)),  # without filling memory
    "swallow": swallow,
    "deaf": deaf,
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "segfault": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(0),
    "abort": os.abort,
    "allocate": lambda: "a" * (50 << 30),
    "fill": fill,
    "nan": lambda: float("nan"),
    "inf": lambda: -float("inf"),
    "text": lambda: "1.0",
    "generator": lambda: (float("nan") for _ in range(3)),
    "huge result": lambda: "x" * 5_000_000,
    "unpicklable": lambda: threading.Lock(),
    "huge exception": lambda: raises(KeyError("x" * 5_000_000)),
    "unprintable exception": lambda: raises(type("Odd", (Exception,), {"__str__": lambda self: 1 / 0})()),
    "system exit": lambda: sys.exit(0),
    "interrupt": lambda: raises(KeyboardInterrupt()),
    "generator exit": lambda: raises(GeneratorExit()),
    "recursion": deep,
    "assert": lambda: raises(AssertionError()),
    "liar": lambda: Liar(1.0),
    "flood": flood,
    "fork": lambda: fork(False),
    "daemon": lambda: fork(True),
    "alarm": alarm,
}

def bad(completion):
    return DEEDS[completion]() if completion in DEEDS else 1.0

def waits(completion, seconds=0.05):
    time.sleep(seconds)
    return float(len(completion))

def noted(completion, file, answer=""):
    with open(file, "a") as out:
        out.write(completion + "\n")
    time.sleep(1000 if completion.startswith("hang") else 0.0005)
    return float(len(completion))

def batch(completions, answer=None, **kwargs):
    if "hang" in completions:
        time.sleep(1000)
    kwargs["log_metric"]("seen", len(completions))
    kwargs["log_extra"]("note", [f"n{i}" for i in range(len(completions))])
    return [kwargs["trainer_state"].global_step + len(c) for c in completions]

class Counter:
    def __init__(self, start=0):
        self.calls = start
    def __call__(self, completions, **kwargs):
        if "hang" in completions:
            time.sleep(1000)
        self.calls += 1
        return [self.calls] * len(completions)

class Needy:
    def __init__(self, device):
        self.pid = os.getpid()
    def __call__(self, completions, **kwargs):
        return [float(self.pid == os.getpid())] * len(completions)

def pid(completion):
    return float(os.getpid())

def needs_state(completion, trainer_state):
    return float(os.getpid())

def slow_here(completion, tokenizer):
    time.sleep(1000 if completion == "hang" else 0)
    return 1.0

async def later(completion):
    if completion == "block":
        time.sleep(3)
    if completion == "no":
        raise KeyError("no")
    await asyncio.sleep(1000 if completion == "hang" else 0.1)
    return float(len(completion))
"""


@pytest.fixture
def bad_file(tmp_path):
    """A user's file of the functions above."""
    file = tmp_path / "bad_rewards.py"
    file.write_text(BAD, encoding="utf-8")
    return file


@pytest.fixture
def pool(bad_file):
    """Starts pools that do one function of the file, and ends them."""
    started = []

    def start(function="bad", workers=2, memory_gb=1.0, **options):
        entry = {"target": f"{bad_file}:{function}", **options}
        started.append(Pool({0: (function, entry, {})}, workers, memory_gb=memory_gb))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def guard(bad_file, tmp_path):
    """Starts guards over entries whose targets name functions of the file, and ends them."""
    started = []

    def start(context=None, settings=None, **entries):
        full = {name: {**entry, "target": f"{bad_file}:{entry['target']}"} for name, entry in entries.items()}
        context = context or RewardContext()
        rewards = build_rewards(full, context=context)
        settings = {"workers": 2, "memory_gb": 1.0, **(settings or {})}
        made = Guard(
            rewards,
            full,
            context=context,
            settings=settings,
            failures=tmp_path / "failures.jsonl",
            warn=warnings.append,
        )
        made.warnings = warnings
        started.append(made)
        return made

    warnings = []
    yield start
    for one in started:
        one.close()


@pytest.fixture
def children():
    """Asks which processes are running below this one; those that were there before do not count."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}

    def ask(seconds=3.0):
        end = time.monotonic() + seconds
        while True:
            left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
            left = [p for p in left if p.status() != psutil.STATUS_ZOMBIE]
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.02)

    return ask
