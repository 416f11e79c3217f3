"""Programs that try to pass tests without solving the task; and honest ones, which must pass."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from grpo_cli.rewards.code_tests import code_tests
from grpo_cli.sandbox.inside import candidate

# Two tests, of which no constant answer passes both.
ASSERTS = ["assert add(1, 2) == 3", "assert add(20, 22) == 42"]
CHECK = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(20, 22) == 42\n"
CALLS = {"fn_name": "add", "inputs": [[1, 2], [20, 22]], "outputs": [3, 42]}
PRINTS = {"inputs": ["1 2\n", "20 22\n"], "outputs": ["3\n", "42\n"]}
HONEST = "def add(a, b):\n    return a + b\nif __name__ == '__main__':\n    print(add(*map(int, input().split())))"

CHEATS = {
    "exit": "import sys\nsys.exit(0)",
    "exit in the function": "import sys\ndef add(a, b): sys.exit(0)",
    "hard exit": "import os\nos._exit(0)",
    "hard exit in the function": "import os\ndef add(a, b): os._exit(0)",
    "equal to everything": "class E(int):\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\n"
    "    def __bool__(s): return True\ndef add(a, b): return E()",
    "equal to everything, no number": "class E:\n    def __eq__(s, o): return True\n"
    "    def __ne__(s, o): return False\n"
    "    def __rsub__(s, o): return 0\ndef add(a, b): return E()",
    "no AssertionError": "import builtins\nclass Quiet(Exception):\n    def __new__(c, *a): raise SystemExit(0)\n"
    "builtins.AssertionError = Quiet\ndef add(a, b): return 0",
    "built-ins replaced": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.all = lambda x: True\n"
    "builtins.isinstance = lambda *a: True\nabs = lambda x: 0\ndef add(a, b): return 0",
    "raises what tests raise": "def add(a, b): raise AssertionError",
    "ends with exit code 0 at exit": "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): return 0",
    "frames": "import sys, gc\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
    "        for value in list(frame.f_locals.values()):\n"
    "            if isinstance(value, dict) and 'expected' in value: return value['expected']\n"
    "        frame = frame.f_back\n    for one in gc.get_objects():\n"
    "        if isinstance(one, str) and 'assert add' in one: return 3\n    return 0",
    "files": "import os, glob, re\ndef add(a, b):\n"
    "    for path in glob.glob('/*') + glob.glob('/tmp/**') + glob.glob('/usr/lib/*'):\n        try:\n"
    "            if 'assert add(1, 2)' in open(path).read(): return 3\n        except Exception: pass\n    return 0",
    "descriptors": "import os\ndef add(a, b):\n    for n in range(100):\n        try:\n"
    "            os.lseek(n, 0, 0)\n            if b'== 42' in os.read(n, 99999): return 42\n"
    "        except OSError: pass\n    return 0",
    "verdict written": "import os\nfor n in range(3, 100):\n    try: os.write(n, b'1111')\n    except OSError: pass\n"
    "def add(a, b): return 0",
    "verdict written in the function": "import os\ndef add(a, b):\n    for n in range(3, 100):\n"
    "        try: os.write(n, b'1111\\n11')\n        except OSError: pass\n    return 0",
    "answers forged": "import os, json\ndef add(a, b):\n"
    "    os.write(6, (json.dumps({'value': True, 'arguments': [1]}) + chr(10)).encode() * 9)\n    return 0",
    "references forged": "import os, json\ndef add(a, b):\n"
    "    os.write(6, (json.dumps({'value': ['object', 0], 'arguments': None}) + chr(10)).encode() * 9)\n    return 0",
    "arguments changed": "import os, json\ndef add(a, b):\n    os.write(6, (json.dumps({'value': None, "
    "'arguments': ['list', [['dict', []]] * 9]}) + chr(10)).encode() * 9)\n    return 0",
    "nested answer": "import os\ndef add(a, b):\n    os.write(6, b'[' * 100000 + b'\\n')\n    return 0",
    "all at once": "class Any(list):\n    def __contains__(s, o): return True\n    def __eq__(s, o): return True\n"
    "def add(a, b): return Any([3, 42])",
    "check defined": "def check(candidate): pass\ndef add(a, b): return 0",
    "prints everything": "print('3\\n42\\n3\\n42')\ndef add(a, b): return 0",
    "parent killed": "import os, signal\nfor pid in (os.getppid(), 1, -1):\n    try: os.kill(pid, signal.SIGKILL)\n"
    "    except OSError: pass\ndef add(a, b): return 0",
    "dead end": "raise SystemExit",
    "no Python": "def add(a, b) return a + b",
    "empty": "",
}


def fenced(code):
    return f"Here it is:\n```python\n{code}\n```"


def score(code, tests, **options):
    return code_tests(fenced(code), tests, cpu_seconds=2, **options)


@pytest.mark.parametrize("tests", [ASSERTS, CHECK, CALLS, PRINTS], ids=["asserts", "check", "calls", "prints"])
def test_an_honest_program_passes(tests):
    assert score(HONEST, tests, entry="add") == 1.0
    assert score(HONEST, json.dumps(tests), entry="add") == 1.0


@pytest.mark.parametrize("name", CHEATS)
def test_cheats_pass_no_assert(name):
    assert score(CHEATS[name], ASSERTS, score="share") == 0.0


@pytest.mark.parametrize(
    "name", ["exit", "hard exit in the function", "equal to everything", "verdict written", "frames"]
)
@pytest.mark.parametrize("tests", [CHECK, CALLS, PRINTS], ids=["check", "calls", "prints"])
def test_cheats_pass_no_other_form_either(name, tests):
    assert score(CHEATS[name], tests, entry="add") == 0.0


def test_a_tolerance_in_the_tests_is_not_fooled():
    tests = [
        "assert abs(add(1, 2) - 3) < 1e-6",
        "assert math.isclose(add(.1, .2), .3)",
        "assert sorted(add([2], [1])) == [1, 2]",
    ]
    assert score(HONEST, tests) == 1.0
    fake = "class E:\n    def __sub__(s, o): return 0.0\n    def __float__(s): return 0.3\ndef add(a, b): return E()"
    assert score(fake, tests, score="share") == 0.0
    fake = "class math:\n    isclose = lambda *a: True\ndef abs(x): return 0\ndef add(a, b): return 0.0"
    assert score(fake, tests, score="share") == 0.0


def test_one_test_cannot_pass_another():
    code = "import os\nopen('seen', 'a').write('x')\nprint(3 if os.path.getsize('seen') == 1 else 'seen before')"
    assert score(code, {"inputs": ["", ""], "outputs": ["3", "3"]}) == 1.0


def test_the_expected_values_are_not_where_the_program_runs():
    assert "expected" not in Path(candidate.__file__).read_text().replace("expected to return", "")
    memory = """
import gc
def add(a, b):
    needle = str(int('98') * 1000 + 765)
    return any(needle in repr(one) for one in gc.get_objects() if type(one) in (dict, list, tuple, set))
"""
    assert score(memory, ["assert add(1, 2) == 98765", "assert add(1, 2) is False"], score="share") == 0.5


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        ("def f(x): return x", ["assert f([1, (2, {3: {4}})]) == [1, (2, {3: {4}})]", "assert f(1.5) == 1.5"]),
        ("def f(x): return x", ["assert f(2 ** 70000) == 2 ** 70000", "assert f(float('inf')) == float('inf')"]),
        ("def f(x): return x", ["assert f(None) is None", "assert f(b'a') == b'a'", "assert f(1 + 2j) == 1 + 2j"]),
        ("def f(xs): xs.sort()", ["xs = [3, 1]\nassert f(xs) is None\nassert xs == [1, 3]"]),
        ("def f(n):\n    for i in range(n): yield i", ["assert list(f(3)) == [0, 1, 2]", "assert next(f(3)) == 0"]),
        ("def f(x): raise ValueError('no')", ["try:\n    f(1)\nexcept ValueError: pass\nelse: assert False"]),
        ("class Stack:\n    def __init__(s): s.x = []\n    def push(s, v): s.x.append(v); return s\n"
         "    def top(s): return s.x[-1]",
         ["s = Stack()\ns.push(1).push(2)\nassert s.top() == 2\nassert s.x == [1, 2]"]),
        ("from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f(p): return p.x",
         ["assert f(P(4)) == 4"]),
        ("from collections import Counter\ndef f(s): return Counter(s)", ["assert f('aab') == {'a': 2, 'b': 1}"]),
        ("async def f(x): return x", ["assert f(1) == 1"]),
        ("class Solution:\n    def f(self, x): return (x, x)", {"fn_name": "f", "inputs": [[1]], "outputs": [[1, 1]]}),
        ("def f(x, y=1): return x + y", ["assert f(1, y=2) == 3", "assert f(*[1]) == 2"]),
        ("def f(x): print('noise'); return x", ["assert f(1) == 1"]),
        ("import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)",
         ["assert f(50000) == 50000"]),
    ],
)  # fmt: skip
def test_honest_programs_of_all_kinds_pass(code, tests):
    assert score(code, tests) == 1.0


def test_a_crash_costs_its_own_test_only_and_a_hang_the_rest_too():
    tests = ["assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3"]
    assert score("import os\ndef f(a):\n    if a == 2: os._exit(0)\n    return a", tests, score="share") == 2 / 3
    before = time.monotonic()
    hang = "def f(a):\n    while a == 2: pass\n    return a"
    assert code_tests(fenced(hang), tests, score="share", cpu_seconds=1) == 1 / 3
    assert time.monotonic() - before < 6


KILLED = """
import sys
from grpo_cli.rewards.code_tests import code_tests
from grpo_cli.sandbox.isolation import require_isolation
require_isolation()
print("ready", flush=True)
code_tests("import time\\nwhile True: time.sleep(1)\\ndef f(): pass", {tests}, cpu_seconds=60)
"""


@pytest.mark.parametrize("tests", [["assert f() == 1"], {"inputs": ["1"], "outputs": ["1"]}], ids=["asserts", "prints"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_worker_takes_its_programs_along(tests, number):
    worker = subprocess.Popen([sys.executable, "-c", KILLED.format(tests=tests)], stdout=subprocess.PIPE)
    worker.stdout.readline()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        inside = psutil.Process(worker.pid).children(recursive=True)
        # The template, a launcher and what it has forked; for asserts also the sandbox with the judge.
        if len(inside) > (6 if isinstance(tests, list) else 2):
            break
        time.sleep(0.02)
    else:
        pytest.fail("the program did not start")
    os.kill(worker.pid, number)
    worker.wait()
    worker.stdout.close()
    _, alive = psutil.wait_procs(inside, timeout=3)
    assert not alive


def test_a_wrong_program_costs_no_waiting():
    tests = ["assert f() == 2", "assert f() == 1"]
    times = []
    for _ in range(3):
        before = time.monotonic()
        assert score("def f(): return 1", tests) == 0.0
        times.append(time.monotonic() - before)
    assert min(times) < 0.9
