"""A job that tells what it finds, then does what its arguments ask for: `python -m dummy_job <file> <what>`."""

import atexit
import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path


def facts() -> dict:
    import random

    import numpy
    import torch

    handlers = {name: str(signal.getsignal(getattr(signal, name))) for name in ("SIGINT", "SIGTERM", "SIGHUP")}
    descriptors = {}
    for number in range(256):
        with contextlib.suppress(OSError):
            descriptors[number] = str(Path(f"/proc/self/fd/{number}").readlink())
    return {
        "environment": {k: v for k, v in os.environ.items() if k not in ("_", "LC_CTYPE")},
        "folder": str(Path.cwd()),
        "argv": sys.argv,
        "path": sys.path,
        "main": [__name__, sys.modules["__main__"].__spec__.name],
        "descriptors": descriptors,
        "handlers": handlers,
        "held": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "python threads": threading.active_count(),
        "own session": os.getsid(0) == os.getpid(),
        "torch threads": torch.get_num_threads(),
        "random": [random.random(), numpy.random.rand(), torch.rand(1).item()],
        "parent": os.getppid(),
    }


def spoil() -> None:
    """Change whatever a job may change."""
    import torch

    os.environ["SPOILT"] = os.environ["HF_HOME"] = "yes"
    os.environ.pop("HOME", None)
    sys.path.insert(0, "/spoilt")
    os.chdir("/")
    torch.set_num_threads(3)
    torch.manual_seed(5)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.modules["torch"].spoilt = True
    atexit.register(print, "an exit function ran")


def main(file: str, what: str) -> None:
    Path(file).write_text(json.dumps(facts()))
    if what == "spoil":
        spoil()
        globals()["open file"] = Path(file).with_suffix(".text").open("w")
        globals()["open file"].write("unflushed")
        threading.Thread(target=lambda: (time.sleep(0.3), print("a thread ended"))).start()
    elif what == "code":
        sys.exit(3)
    elif what == "text":
        sys.exit("a last word")
    elif what == "raise":
        raise ValueError("a bug")
    elif what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "wait":
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
