"""Stands in for the training worker in the launch tests: same protocol (events, stop, errors), no torch.

Behaviour by words in $DUMMY: `early` stays before training, `stubborn` ignores SIGTERM and stop requests,
`grandchild` starts a process that outlives its parent, `raise`, `config`, `segfault`, `quick`, `allreduce`.
"""

from grpo_cli.launch import worker_guard

worker_guard.arm()

import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

from grpo_cli.runs import jsonl  # noqa: E402
from grpo_cli.runs.folder import RunFolder  # noqa: E402

words = set(os.environ.get("DUMMY", "").split())
folder = RunFolder(Path(sys.argv[-1]))
rank = int(os.environ.get("RANK", "0"))
world = int(os.environ.get("WORLD_SIZE", "1"))


def phase(name: str) -> None:
    if rank == 0:
        jsonl.append(folder.events, {"event": "phase", "name": name, "time": time.time()})


def fail(kind: str, message: str, code: int) -> None:
    jsonl.write_json(folder.error(rank), {"rank": rank, "kind": kind, "message": message, "traceback": ""})
    sys.exit(code)


if "stubborn" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "grandchild" in words and rank == 0:
    # A child that starts another and ends: the orphan knows its parent no more, nor its session.
    orphan = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"
    subprocess.run([sys.executable, "-c", orphan], check=True)

print(f"rank {rank} of {world}, pid {os.getpid()}", flush=True)
(folder.root / f"rank{rank}.json").write_text(
    json.dumps({"pid": os.getpid(), "world": world, "env": dict(os.environ), "path": sys.path})
)
phase("starting")
if "early" not in words:
    phase("training")

if "allreduce" in words:
    import torch
    import torch.distributed as dist

    dist.init_process_group("gloo")
    number = torch.tensor([float(rank + 1)])
    dist.all_reduce(number)
    (folder.root / f"sum{rank}").write_text(str(number.item()))
    dist.destroy_process_group()
    sys.exit(0)
if "quick" in words:
    sys.exit(0)
if "config" in words:
    fail("config", "training.beta=x is not a number; write training.beta=0.04.", 2)
if "raise" in words and rank == world - 1:
    raise ValueError("reward mine: row 3 gave inf")
if "segfault" in words and rank == world - 1:
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGSEGV)

deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    time.sleep(0.05)
    if folder.stop_request.exists() and "stubborn" not in words:
        reason = folder.stop_request.read_text().strip()
        time.sleep(0.3)
        (folder.root / f"checkpoint-by-rank{rank}").write_text(reason)
        # A barrier, as the real worker has: torchrun ends the others as soon as one rank exits with an error.
        while len(list(folder.root.glob("checkpoint-by-rank*"))) < world:
            time.sleep(0.02)
        sys.exit(130 if reason == "SIGINT" else 143)
