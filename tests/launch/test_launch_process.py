"""A forked child as its parent sees it: as `subprocess.Popen` would show it."""

import os
import signal
import subprocess
import time

import pytest

from grpo_cli.launch.process import ForkedProcess


def forked(seconds: float, code: int) -> ForkedProcess:
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        os._exit(code)
    return ForkedProcess(pid)


def test_its_exit_code_is_known_once_it_has_ended_and_not_before():
    process = forked(0.3, 7)
    assert process.poll() is None and process.returncode is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    assert process.wait(10) == 7 == process.poll() == process.returncode
    process.kill()  # whoever has its pid now is left alone


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_the_signal_that_ended_it_is_told(sent):
    process = forked(30, 0)
    process.terminate() if sent == signal.SIGTERM else process.kill()
    assert process.wait(10) == -sent
