"""A composer in small: plans, supervises, prints the outcome as JSON, exits with its code.

Usage: driver.py <run folder> <number of processes> <grace seconds>
on_tick raises once there is a file named `break` in the run folder.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from grpo_cli.launch.plan import plan_launch
from grpo_cli.launch.signals import Interrupted
from grpo_cli.launch.supervise import supervise
from grpo_cli.runs.folder import RunFolder

folder = RunFolder(Path(sys.argv[1]))


def tick() -> None:
    if (folder.root / "break").exists():
        raise RuntimeError("the display broke")


plan = plan_launch(
    {"kind": "cpu", "num_processes": int(sys.argv[2]), "grace_seconds": float(sys.argv[3])},
    {},
    folder.root,
    worker=[str(Path(__file__).with_name("dummy_worker.py"))],
)
try:
    outcome = supervise(plan, folder, on_tick=tick)
except Interrupted as interrupted:
    print(json.dumps(asdict(interrupted.outcome) | {"raised": True}))
    sys.exit(interrupted.exit_code)
print(json.dumps(asdict(outcome) | {"raised": False}))
sys.exit(outcome.exit_code)
