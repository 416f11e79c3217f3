"""Which shared memory is removed, and which is not."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from grpo_cli.launch.shared_memory import LOOKS, SharedMemory

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="mappings are read from /proc")
HOLD = "import mmap, sys; f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 4096); print('held'); input()"


@pytest.fixture
def place(tmp_path):
    """A folder in place of /dev/shm, in which nobody else makes segments meanwhile."""
    return tmp_path


@pytest.fixture
def segment(place):
    """Makes segments."""

    def make(mark: str = "") -> Path:
        path = place / f"grpo-test-{mark}{uuid.uuid4().hex[:8]}"
        path.write_bytes(bytes(4096))
        return path

    return make


@pytest.fixture
def holder():
    """Processes that map a segment."""
    started: list[subprocess.Popen[str]] = []

    def hold(path: Path) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", HOLD, str(path)]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout and process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_what_ours_alone_mapped_is_removed(place, segment, holder):
    memory = SharedMemory(str(place))
    ours, others = segment(), segment()
    process = holder(ours)
    memory.note(lambda: [process.pid])
    process.kill()
    process.wait()
    assert memory.clear() == [ours.name]
    assert not ours.exists() and others.exists()


def test_what_was_there_before_or_is_still_mapped_stays(place, segment, holder):
    old = segment()
    memory = SharedMemory(str(place))
    new = segment()
    ours, other = holder(old), holder(new)
    also = holder(new)
    memory.note(lambda: [ours.pid, also.pid])
    for process in (ours, also):
        process.kill()
        process.wait()
    assert memory.clear() == []
    assert old.exists() and new.exists() and other.poll() is None


def test_other_programs_segments_cost_a_few_looks_and_no_more(place, segment):
    memory = SharedMemory(str(place))
    segment()
    asked = []
    for _ in range(LOOKS + 5):
        memory.note(lambda: asked.append(1) or [])
    assert len(asked) == LOOKS
    memory.note(lambda: asked.append(1) or [], last=True)
    assert len(asked) == LOOKS + 1


def test_a_name_with_blanks_is_read_whole(place, segment):
    memory = SharedMemory(str(place))
    path = segment("two words ")
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 4096):
        memory.note(lambda: [os.getpid()])
    assert memory.clear() == [path.name]


def test_a_look_is_cheap_where_nothing_is_new(place):
    memory = SharedMemory(str(place))
    began = time.process_time()
    for _ in range(100):
        memory.note(lambda: pytest.fail("nothing is new"), last=False)
    assert (time.process_time() - began) / 100 < 2e-3
