"""From `rollout.*` to what is started, or joined: a command line, its environment, an address."""

from __future__ import annotations

import shlex
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import environ
from pathlib import Path
from typing import Any

from grpo_cli.assets import EMBEDDED_MODEL
from grpo_cli.config.schema import training_default
from grpo_cli.errors import ConfigError
from grpo_cli.launch.environment import RUN_ID, without_foreign
from grpo_cli.launch.hardware import Gpu, Hardware
from grpo_cli.launch.identity import own_identity
from grpo_cli.launch.worker_guard import COMPOSER
from grpo_cli.rollout.address import free_port, is_free
from grpo_cli.rollout.engine import server_url, uses_server
from grpo_cli.rollout.gpus import share_gpus

# `trl vllm-serve`: it gives vLLM's own server the settings that TRL's trainers rely on.
COMMAND = (sys.executable, "-m", "trl.scripts.vllm_serve")
HOST = "127.0.0.1"
# Where a worker finds the server of this start: a fact of one attempt, so not in the frozen configuration.
URL = "GRPO_TRAIN_ROLLOUT_URL"
GROUP_PORT = "GRPO_TRAIN_ROLLOUT_GROUP_PORT"
# Options of `trl vllm-serve` itself that take true or false as a word; vLLM's own are switched by --name and --no-name.
_WORDED = ("enable-prefix-caching", "enforce-eager", "trust-remote-code")


@dataclass(frozen=True)
class ServerPlan:
    """A server that this run starts, or (without `argv`) joins.

    Attributes:
        url: its address.
        model: what it has to serve.
        timeout: seconds it may take until it is healthy.
        argv: the command that starts it; empty for one that runs already.
        env: its whole environment.
        gpus: its GPUs.
        run_id: its own value of `GRPO_TRAIN_RUN`.
        group_port: port over which the trainer sends it weights.
    """

    url: str
    model: str
    timeout: float
    argv: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict, repr=False)
    gpus: tuple[Gpu, ...] = ()
    run_id: str = ""
    group_port: int | None = None

    @property
    def started(self) -> bool:
        """Whether this run starts it (and so ends it)."""
        return bool(self.argv)

    def as_dict(self) -> dict[str, Any]:
        """For provenance.json: what was started or joined."""
        gpus = [gpu.token for gpu in self.gpus]
        return {"url": self.url, "model": self.model, "started": self.started, "command": list(self.argv), "gpus": gpus}

    @property
    def worker_env(self) -> dict[str, str]:
        """What the workers have to know of a server that this run starts."""
        return {URL: self.url, GROUP_PORT: str(self.group_port)} if self.started else {}


def plan_server(
    config: Mapping[str, Any], hardware: Hardware, base_env: Mapping[str, str] | None = None
) -> ServerPlan | None:
    """Plan the server of a run.

    Args:
        config: the configuration as plain containers.
        hardware: the whole machine.
        base_env: environment to start from; this process's own by default.

    Returns:
        The plan; None where no server generates.

    Raises:
        ConfigError: not enough GPUs, or a port that is taken.
    """
    training = config["training"]
    if not uses_server(training):
        return None
    timeout = training.get("vllm_server_timeout")
    timeout = float(training_default("vllm_server_timeout") if timeout is None else timeout)
    name = str(config["model"]["name"])
    model = str(EMBEDDED_MODEL) if name == "embedded" else name
    url = server_url(config)
    if url is not None:
        return ServerPlan(url, model, timeout)
    _, gpus = share_gpus(config, hardware)
    server = config["rollout"]["server"]
    port = free_port() if server["port"] == "auto" else int(server["port"])
    if not is_free(port, HOST):
        raise ConfigError(
            f"rollout.server.port={port} is taken by another program; write rollout.server.port=auto, or "
            f"rollout.url=http://{HOST}:{port} if it is the server to use."
        )
    run_id = uuid.uuid4().hex
    env = without_foreign(environ if base_env is None else base_env) | {"PYTHONUNBUFFERED": "1"}
    if "CUDA_VISIBLE_DEVICES" not in env:
        env.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # the order in which nvidia-smi counted them
    env |= {str(key): str(value) for key, value in server["env"].items() if value is not None}
    if gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.token for gpu in gpus)
    env |= {RUN_ID: run_id, COMPOSER: own_identity()}
    return ServerPlan(
        url=f"http://{HOST}:{port}",
        model=model,
        timeout=timeout,
        argv=(*_command(server["command"]), *_options(config, model, port)),
        env=env,
        gpus=gpus,
        run_id=run_id,
        group_port=training.get("vllm_group_port") or free_port(),
    )


def _command(given: Any) -> tuple[str, ...]:
    """What starts a server, without its options."""
    if not given:
        return COMMAND
    words = shlex.split(given) if isinstance(given, str) else [str(word) for word in given]
    return tuple(str(Path(word).expanduser()) if word.startswith("~") else word for word in words)


def _options(config: Mapping[str, Any], model: str, port: int) -> list[str]:
    """The server's options: what other sections say already, then `rollout.server.args`, which win."""
    training, server = config["training"], config["rollout"]["server"]
    options: dict[str, Any] = {
        "model": model,
        "host": HOST,
        "port": port,
        "revision": config["model"].get("revision"),
        "tensor-parallel-size": server["gpus"],
        "max-model-len": training.get("vllm_max_model_length"),
        "trust-remote-code": config["model"].get("trust_remote_code") or None,
    }
    options |= {str(key).replace("_", "-"): value for key, value in server["args"].items()}
    words: list[str] = []
    for name, value in options.items():
        if value is None:
            continue
        if isinstance(value, bool) and name not in _WORDED:
            words.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, bool):
            words += [f"--{name}", str(value).lower()]
        else:
            words += [f"--{name}", str(value)]
    return words
