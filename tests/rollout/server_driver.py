"""A composer in small that has a rollout server: plans it from configuration keys, supervises, prints the outcome.

Usage: server_driver.py <run folder> <JSON: {"url", "gpus", "timeout", "processes", "grace", "model"}>
"""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from grpo_cli.errors import ConfigError
from grpo_cli.launch.hardware import Gpu, detect
from grpo_cli.launch.plan import plan_launch
from grpo_cli.launch.signals import Interrupted
from grpo_cli.launch.supervise import supervise
from grpo_cli.rollout.plan import plan_server
from grpo_cli.runs.folder import RunFolder

HERE = Path(__file__).parent
folder, given = RunFolder(Path(sys.argv[1])), json.loads(sys.argv[2])
launch = {"kind": "cpu", "num_processes": given.get("processes", 1), "grace_seconds": given.get("grace", 10)}
config = {
    "model": {"name": given.get("model", "org/model"), "revision": None, "trust_remote_code": False},
    "training": {"use_vllm": True, "vllm_mode": "server", "vllm_server_timeout": given.get("timeout", 20)},
    "rollout": {
        "url": given.get("url"),
        "server": {
            "gpus": 1,
            "port": "auto",
            "args": {},
            "env": {},
            "command": [sys.executable, str(HERE / "fake_server.py")],
        },
    },
    "launch": {"kind": "auto"},
}
# Two GPUs that are not there: the server is given the last one, which it only prints.
cards = tuple(Gpu(str(i), f"GPU-{i}", "NVIDIA A100", 81920) for i in range(2))
server = plan_server(config, replace(detect(), gpus=cards, torch_cuda="13.0"))
plan = plan_launch(launch, {}, folder.root, worker=[str(HERE.parent / "launch" / "dummy_worker.py")])
try:
    outcome = supervise(plan, folder, on_tick=lambda: None, server=server)
except Interrupted as interrupted:
    print(json.dumps(asdict(interrupted.outcome) | {"raised": True}))
    sys.exit(interrupted.exit_code)
except ConfigError as error:
    print(json.dumps({"refused": str(error)}))
    sys.exit(2)
print(json.dumps(asdict(outcome) | {"raised": False}))
sys.exit(outcome.exit_code)
