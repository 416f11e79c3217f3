"""The ways in which a machine may isolate programs, and a watch on what a program leaves behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from grpo_cli.sandbox import isolation, judges
from grpo_cli.sandbox.program import Program
from grpo_cli.sandbox.settings import Isolation, Limits

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]

# As root with namespaces; as any user with namespaces; by bubblewrap; without namespaces, as in most containers.
WAYS = {
    "root": Isolation(as_root=True),
    "user": Isolation(as_root=False, drop_user=False),
    "bubblewrap": Isolation(as_root=False, bubblewrap=shutil.which("bwrap") or "bwrap"),
    "bare": Isolation(as_root=False, drop_user=False, namespaces=False),
}


def tried(name):
    if name == "root" and os.geteuid() != 0:
        return None
    found = isolation._try_out(WAYS[name])
    return found if found and {"limits", "seccomp"} <= set(found.held) else None


@pytest.fixture(scope="session")
def isolations():
    return {name: tried(name) for name in WAYS}


# The second is much like the first; for whoever is not root it is the best there is.
@pytest.fixture(
    params=["root", pytest.param("user", marks=[pytest.mark.slow] if os.geteuid() == 0 else []), "bubblewrap", "bare"]
)
def kept(request, isolations):
    found = isolations[request.param]
    if found is None:
        why = "bubblewrap is not installed" if request.param == "bubblewrap" and not shutil.which("bwrap") else ""
        pytest.skip(why or f"this machine cannot isolate that way: {request.param}")
    return found


@pytest.fixture
def best():
    return isolation.require_isolation()


@pytest.fixture
def run():
    """Run a program to its end: its outcome."""

    def run(code, isolation, stdin=b"", **limits):
        limits = {"cpu_seconds": 2, "wall_seconds": 4.0, **limits}
        with Program(code, limits=Limits(**limits), isolation=isolation, stdin=stdin) as program:
            return program.finish()

    return run


def sandboxed():
    """The process ids of launchers and of programs in a sandbox, ours and those without an owner."""
    found = set()
    for one in psutil.process_iter(["cmdline", "ppid"]):
        # The template of a process that runs stays; it is the parent of what must not.
        if not of_a_sandbox(one) or one.info["ppid"] == os.getpid():
            continue
        with contextlib.suppress(psutil.Error):
            above = one.parents()
            owner = next((parent.pid for parent in above if not of_a_sandbox(parent)), 1)
            # Other tests have sandboxes at the same time.
            if owner == 1 or os.getpid() in [parent.pid for parent in above]:
                found.add(one.pid)
    return found


def of_a_sandbox(one):
    try:
        return "grpo_cli.sandbox.template" in " ".join(one.cmdline())
    except psutil.Error:
        return False


def folders():
    """Those that we have made, or someone who has ended."""
    found = Path(tempfile.gettempdir()).glob("grpo-sandbox-*")
    return {one for one in found if (pid := int(one.name.split("-")[2])) == os.getpid() or not psutil.pid_exists(pid)}


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """No process of a sandbox, no folder, no open file is there after a test that was not there before."""
    judges.start_judge(Limits(), isolation.require_isolation(), [0, 0, 0, 0]).__exit__(None, None, None)
    before, before_folders = sandboxed(), folders()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    yield
    left = sandboxed() - before
    deadline = time.monotonic() + 3
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left &= sandboxed()
    assert not left
    assert folders() <= before_folders
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
