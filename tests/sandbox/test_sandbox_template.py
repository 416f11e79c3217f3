"""Programs are forked from one template: none must notice, and none must see anything of another one."""

from __future__ import annotations

import os
import signal
import time

import pytest

from grpo_cli.sandbox import process
from grpo_cli.sandbox.program import Program
from grpo_cli.sandbox.settings import Limits


def test_programs_leave_nothing_to_the_next_one(kept, run):
    spoil = "import builtins, json, os, sys\nbuiltins.len = json.loads = lambda *a: 0\nos.environ['SEEN'] = '1'\n"
    spoil += "sys.modules['math'] = None\nopen('seen', 'w').write('x')"
    assert run(spoil, kept).code == 0
    look = (
        "import json, math, os\nprint(len('abc'), json.loads('[1]'), math.pi > 3, 'SEEN' in os.environ, os.listdir())"
    )
    assert run(look, kept).stdout == b"3 [1] True False []\n"


def test_a_program_sees_nothing_of_ours(kept, run):
    code = """
import gc, sys
print([name for name in sys.modules if "grpo" in name or "sandbox" in name], sys.argv, sys.orig_argv, __name__)
print([path for path in sys.path if "lib/python" not in path and not path.endswith(".zip")])
print(sorted(name for name in globals() if not name.startswith("__")))
frame, found = sys._getframe(), []
while frame := frame.f_back:
    found += list(frame.f_locals)
print(sorted(name for name in found if not name.startswith("__")))
print([one for one in gc.get_objects() if type(one) is dict and "required" in one and "shown" in one][:1])
"""
    out = run(code, kept).stdout.decode().splitlines()
    assert out[0] == "[] ['main.py'] ['main.py'] __main__"
    assert out[1] == "[]"
    assert out[2] == "['gc', 'sys']"
    # The code itself; the global names of the module, which are its own.
    assert out[3] == "['code', 'found', 'frame', 'gc', 'space', 'status', 'sys']"
    assert out[4] == "[]"


@pytest.mark.parametrize(
    ("code", "exit_code", "printed"),
    [
        ("print(1)", 0, b"1\n"),
        ("import sys\nprint(1, end='')\nsys.exit(3)", 3, b"1"),
        ("raise SystemExit", 0, b""),
        ("raise SystemExit('why')", 1, b""),
        ("raise SystemExit(256 + 7)", 7, b""),
        ("exit(4)", 4, b""),
        ("print(1)\n1 / 0", 1, b"1\n"),
        ("print(1", 1, b""),
        ("import os\nos._exit(5)", 5, b""),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", 128 + 11, b""),
        ("import atexit\natexit.register(print, 'bye')\nprint('hi')", 0, b"hi\nbye\n"),
        ("import threading, time\nthreading.Timer(0.05, print, ('late',)).start()\nprint('hi')", 0, b"hi\nlate\n"),
        ("class A:\n    def __del__(self): print('gone')\na = A()\na.me = a", 0, b"gone\n"),
        ("import sys\nsys.stdout.close()", 0, b""),
        ("import sys\nsys.stdout = None", 0, b""),
        ("print('\u00e9', input() == '\u20ac', input().encode('utf-8', 'surrogateescape'))", 0,
         b"\xc3\xa9 True b'\\xff'\n"),
        ("import sys\nprint(sys.stdin.buffer.seek(0), sys.stdin.read(1), sys.stdout.isatty(), sys.flags.isolated)", 0,
         b"0 \xe2\x82\xac False 1\n"),
    ],
)  # fmt: skip
def test_a_program_runs_and_ends_as_with_a_python_of_its_own(best, run, code, exit_code, printed):
    if "os.kill" in code and "processes" not in best.held:
        pytest.skip("without a process namespace, no signals can be sent")
    outcome = run(code, best, stdin="\u20ac\n".encode() + b"\xff\n")
    assert (outcome.code, outcome.stdout) == (exit_code, printed)


def test_a_template_that_has_ended_is_replaced(best, run):
    first = process.template().process
    with Program("import time; time.sleep(60)", limits=Limits(), isolation=best) as program:
        program.started()
        os.kill(first.pid, signal.SIGKILL)
        # Programs go with it.
        assert program.exit_code(3.0) == 128 + 9
    first.wait()
    assert run("print(1)", best).stdout == b"1\n"
    assert process.template().process.pid != first.pid


def test_a_forked_process_has_a_template_of_its_own(best, run):
    mine = process.template().process.pid
    child = os.fork()
    if child == 0:
        try:
            ran = run("print(1)", best).stdout == b"1\n"
            other = process.template().process.pid
            process.close()
            os._exit(0 if ran and other != mine else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert process.template().process.pid == mine
    assert run("print(2)", best).stdout == b"2\n"


def test_a_template_ends_with_the_process_that_it_serves():
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(process.template().process.pid).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    pid = int(os.read(reading, 20))
    os.close(reading)
    os.close(writing)
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:  # noqa: PTH110
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            if stat.read().split()[2] == "Z":
                break
        time.sleep(0.02)
    else:
        assert not os.path.exists(f"/proc/{pid}")  # noqa: PTH110
