"""Judges are forked in one sandbox: what the tests of one row do must reach neither the next row nor anything else."""

from __future__ import annotations

import threading
import time

import pytest

from grpo_cli.rewards.code_tests import code_tests
from grpo_cli.sandbox import judges
from grpo_cli.sandbox.settings import Limits
from grpo_cli.sandbox.verdicts import function_verdicts

CODE = "def f(x): return x"


@pytest.fixture
def verdicts(kept):
    """Verdicts of some tests of a program, under each way of isolation."""

    def verdicts(*tests, seconds=10.0):
        limits = Limits(cpu_seconds=2, wall_seconds=seconds)
        return function_verdicts(CODE, tests, entry="f", limits=limits, isolation=kept, stop_at_failure=False)

    yield verdicts
    judges.close()


def test_tests_leave_nothing_to_the_next_row(verdicts):
    spoil = "assert f(1) == 1\nimport builtins, json, os, sys\nos.environ['SEEN'] = '1'\n"
    spoil += "sys.modules['math'] = None\nsys.setrecursionlimit(99)\nbuiltins.len = json.loads = lambda *a: 0"
    assert verdicts(spoil) == [True]
    look = "import json, math, os, sys\nassert f(len('abc')) == 3 and json.loads('[1]') == [1] and math.pi > f(3)\n"
    assert verdicts(look + "assert 'SEEN' not in os.environ and sys.getrecursionlimit() == f(1000)") == [True]


REFUSED = {
    "a file": "open('seen', 'w')",
    "a file in /tmp": "open('/tmp/seen', 'w')",
    "a process": "os.fork()",
    "a command": "os.posix_spawn('/bin/true', ['true'], {})",
    "a signal to all": "os.kill(-1, 0)",
    "a signal to its parent": "os.kill(os.getppid(), 0)",
    "a socket": "__import__('socket').socket()",
    "more time": "resource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
    "more memory": "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))",
}


def test_tests_may_do_nothing_that_others_could_notice(verdicts):
    tests = [
        f"import os, resource\ntry:\n    {what}\nexcept (OSError, ValueError): pass\nelse: assert False"
        for what in REFUSED.values()
    ]
    assert dict(zip(REFUSED, verdicts(*tests), strict=True)) == dict.fromkeys(REFUSED, True)


def test_a_judge_has_only_its_own_descriptors(verdicts):
    look = "import os\nopen_ = []\nfor n in range(100):\n    try: os.fstat(n)\n    except OSError: continue\n"
    # 4 was read and closed.
    assert verdicts(look + "    open_.append(n)\nassert open_ == [0, 1, 2, 5, 6, 7], open_\nassert f(1) == 1") == [True]


def test_tests_that_never_end_are_ended(verdicts):
    before = time.monotonic()
    assert verdicts("assert f(1) == 1", "import time\ntime.sleep(100)", seconds=0.5) == [True, False]
    assert time.monotonic() - before < 5
    # The next one finds the judges well.
    assert verdicts("assert f(1) == 1") == [True]


def test_tests_that_end_their_judge_cost_themselves_only(verdicts):
    assert verdicts("import os\nos._exit(0)", "assert f(1) == 1")[0] is False
    assert verdicts("held = bytearray(1 << 32)", "assert f(1) == 1") == [False, True]
    assert verdicts("assert f(1) == 1") == [True]


def test_many_judges_at_once_do_not_disturb_each_other():
    scores = {}

    def one(n):
        answer = f"```python\ndef f(x): return x + {n}\n```"
        scores[n] = code_tests(answer, [f"assert f(1) == {n + 1}", "assert f(1) == 1"], score="share")

    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scores == dict.fromkeys(range(1, 9), 0.5)
