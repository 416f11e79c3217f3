"""The side of the meeting of every node but the first."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from grpo_cli.errors import EXIT_DONE, EXIT_FAILED, ConfigError, RunError
from grpo_cli.launch.meeting import CONNECT_SECONDS, LAST_WORDS_SECONDS, TICK_SECONDS
from grpo_cli.launch.meeting.link import Link
from grpo_cli.launch.nodes import Nodes
from grpo_cli.launch.outcome import Outcome


class Member:
    """A node other than 0.

    Args:
        nodes: the nodes.
        about: this node, as `describe` tells.
    """

    def __init__(self, nodes: Nodes, about: Mapping[str, Any]) -> None:
        self.nodes = nodes
        self.about = dict(about)
        self.broken: str | None = None
        self.stop: str | None = None
        self.end: dict[str, Any] | None = None
        self.link: Link | None = None

    def join(self, say: Callable[[str], None]) -> dict[str, Any]:
        """Find node 0 and wait for the beginning.

        Returns:
            What node 0 says of the run: `folder`, `token`, `resume_from`, `attempt`.

        Raises:
            ConfigError: node 0 has refused this node or another one.
            RunError: node 0 was not found, not all nodes came, or node 0 ended.
        """
        nodes = self.nodes
        say(f"Node {nodes.rank} of {nodes.count}: looking for node 0 at {nodes.where}, at most {nodes.timeout:g} s.")
        deadline = time.monotonic() + nodes.timeout
        while True:
            self.link = link = self._connect(deadline)
            link.send("hello", rank=nodes.rank, about=self.about)
            # Node 0 may have begun to wait later than this one did; it is the one to give up then.
            while not link.gone:
                for message in link.receive():
                    if message["kind"] == "begin":
                        return message
                    if message["kind"] == "refused":
                        text = str(message["message"])
                        raise ConfigError(f"Node 0 ({nodes.where}) refused: {text}")
                time.sleep(TICK_SECONDS)
            raise RunError(f"Node 0 at {nodes.where} ended before the run began ({link.gone}); its terminal says why.")

    @property
    def interface_address(self) -> str | None:
        """The address of this machine from which it reached node 0."""
        return self.link.own_address if self.link else None

    def pump(self) -> None:
        """Read what node 0 says."""
        assert self.link is not None
        for message in self.link.receive():
            if message["kind"] == "stop":
                self.stop = self.stop or str(message["signal"])
            elif message["kind"] == "end":
                self.end = message
        if self.end and self.end["outcome"]["status"] != "completed":
            # However it ended there, it has ended: what still runs here waits for workers that are gone.
            self.broken = self.broken or self.end["outcome"]["error"] or "Node 0 has ended the run."
        elif self.link.gone and not self.end:
            self.broken = self.broken or f"Node 0 ({self.nodes.where}) has gone: {self.link.gone}."

    def tell_stop(self, name: str) -> bool:
        """Hand a signal on to node 0, which asks the workers of all nodes."""
        assert self.link is not None
        self.link.send("stop", signal=name)
        return True

    def conclude(self, outcome: Outcome) -> Outcome:
        """Tell node 0 how it ended here, and hear how the run did.

        Args:
            outcome: how it ended here.

        Returns:
            How it ended altogether; this node's own account where node 0 is silent.
        """
        assert self.link is not None
        message = self.broken or outcome.error
        status = "interrupted" if self.stop and outcome.status != "completed" else outcome.status
        self.link.send("ended", status="gone" if self.broken else status, message=message, host=self.about["host"])
        deadline = time.monotonic() + 2 * LAST_WORDS_SECONDS
        while not self.end and not self.link.gone and time.monotonic() < deadline:
            self.pump()
            time.sleep(TICK_SECONDS)
        if self.end:
            told = Outcome(**self.end["outcome"])
            return replace(told, seconds=outcome.seconds)
        if self.broken and outcome.status != "interrupted":
            return replace(outcome, exit_code=EXIT_FAILED, status="failed", error=self.broken)
        if outcome.exit_code == EXIT_DONE:
            text = "The workers here ended well, but node 0 did not say how the run did."
            return replace(outcome, exit_code=EXIT_FAILED, status="failed", error=text)
        return outcome

    @property
    def result(self) -> dict[str, Any]:
        """The run's `result.json` as node 0 told it."""
        return dict(self.end["result"]) if self.end else {}

    def close(self) -> None:
        """Hang up."""
        if self.link:
            self.link.close()

    def _connect(self, deadline: float) -> Link:
        nodes = self.nodes
        while True:
            try:
                return Link(socket.create_connection((nodes.address, nodes.port), CONNECT_SECONDS))
            except socket.gaierror:
                reason = "its name is not known here"
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
            if time.monotonic() > deadline:
                raise RunError(
                    f"Node 0 was not found at {nodes.where} within {nodes.timeout:g} s ({reason}). See that it runs "
                    "with launch.nodes.rank=0, that launch.nodes.address is its address, and that ports "
                    f"{nodes.port} and {nodes.worker_port} are open there."
                )
            time.sleep(0.2)
