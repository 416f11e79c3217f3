"""A server's address, and what one learns by asking there: the endpoints of vLLM's server that TRL's client uses."""

from __future__ import annotations

import http.client
import json
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

PROBE_SECONDS = 1.0  # a healthy server answers in milliseconds
ASK_SECONDS = 10.0
URL = re.compile(r"https?://[^\s/:]+(:\d{1,5})?(/\S*)?")


@dataclass(frozen=True)
class Served:
    """What a server says of itself.

    Attributes:
        models: the names and paths of the models that it serves.
        problem: why TRL cannot train with it, a clause; None where it can.
    """

    models: tuple[str, ...] = field(default_factory=tuple)
    problem: str | None = None


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as taken:
        taken.bind((host, 0))
        return int(taken.getsockname()[1])


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server can listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def is_healthy(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether `/health` answers with 200, which vLLM does once the model is loaded.

    Args:
        url: the server's address.
        seconds: how long to wait for the answer.
    """
    try:
        with _open(f"{url}/health", seconds) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException, ValueError):
        return False


def ask(url: str) -> Served:
    """Ask a healthy server what it serves and whether TRL can send it weights.

    Args:
        url: the server's address.
    """
    try:
        listed = _json(f"{url}/v1/models")["data"]
        models = [str(entry[key]) for entry in listed for key in ("id", "root") if entry.get(key)]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        return Served(problem=f"does not say what it serves (/v1/models: {error}), so it is no vLLM server")
    names = tuple(dict.fromkeys(models))
    try:
        config = _json(f"{url}/server_info?config_format=json")["vllm_config"]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return Served(
                names, "lacks the endpoints for weights; restart it with VLLM_SERVER_DEV_MODE=1 in its environment"
            )
        return Served(names, f"answers /server_info with {error.code}")
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return Served(names, f"does not answer /server_info ({error})")
    if isinstance(config, dict) and config.get("weight_transfer_config") is None:
        return Served(names, 'cannot take weights; restart it with --weight-transfer-config \'{"backend": "nccl"}\'')
    return Served(names)


def _json(url: str) -> Any:
    with _open(url, ASK_SECONDS) as answer:
        return json.loads(answer.read())


def _open(url: str, seconds: float) -> Any:
    # A proxy of the environment is for the internet; a rollout server is on this machine or its network.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(url, timeout=seconds)
