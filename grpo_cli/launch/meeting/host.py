"""Node 0's side of the meeting."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from grpo_cli.errors import EXIT_FAILED, ConfigError, RunError
from grpo_cli.launch.failure import is_secondary
from grpo_cli.launch.meeting import LAST_WORDS_SECONDS, STOP_SECONDS, TICK_SECONDS
from grpo_cli.launch.meeting.agreement import disagreement
from grpo_cli.launch.meeting.link import Link
from grpo_cli.launch.nodes import Nodes, is_own
from grpo_cli.launch.outcome import Outcome


class Host:
    """Node 0: every other node is connected to it.

    Args:
        nodes: the nodes.
        about: this node, as `describe` tells.

    Raises:
        ConfigError: the port is taken, or the address is not this machine's.
    """

    def __init__(self, nodes: Nodes, about: Mapping[str, Any]) -> None:
        self.nodes = nodes
        self.about = dict(about)
        self.links: dict[int, Link] = {}
        self.others: dict[int, dict[str, Any]] = {}
        self.ended: dict[int, dict[str, Any]] = {}
        self.broken: str | None = None
        self.stop: str | None = None
        self._failed: tuple[float, str] | None = None
        self._listener = _listen(nodes)

    def gather(self, say: Callable[[str], None]) -> None:
        """Wait for all nodes and see that they fit together.

        Raises:
            ConfigError: a node was started differently; it is told so too.
            RunError: not all came in time.
        """
        nodes = self.nodes
        say(
            f"Node 0 of {nodes.count}: waiting at {nodes.where} for {_list(self._missing())}, "
            f"at most {nodes.timeout:g} s (launch.nodes.timeout)."
        )
        if not is_own(nodes.address):
            say(f"{nodes.address} is no address of this machine; the others look for node 0 there.")
        deadline = time.monotonic() + nodes.timeout
        strangers: list[Link] = []
        while self._missing():
            if time.monotonic() > deadline:
                missing = _list(self._missing())
                text = f"{missing} of {nodes.count} did not come to {nodes.where} within {nodes.timeout:g} s"
                self._refuse(strangers, f"{text}; the run was not started.")
                raise RunError(
                    f"{text[0].upper()}{text[1:]}. Start the same command there with its launch.nodes.rank, and see "
                    f"that {nodes.address} is this node's address and ports {nodes.port} and {nodes.worker_port} are "
                    "open."
                )
            with contextlib.suppress(BlockingIOError):
                strangers.append(Link(self._listener.accept()[0]))
            for link in [*strangers]:
                for message in link.receive():
                    if message.get("kind") == "hello":
                        strangers.remove(link)
                        self._admit(link, message, strangers)
                        break
                if link.gone and link in strangers:
                    strangers.remove(link)
            for rank in [r for r, link in self.links.items() if link.receive() is not None and link.gone]:
                self.links.pop(rank).close()  # it gave up; it may come again
                del self.others[rank]
            time.sleep(TICK_SECONDS)
        self._listener.close()
        for link in strangers:
            link.close()

    def begin(self, **facts: Any) -> None:
        """Tell every node that the run begins, and where."""
        for link in self.links.values():
            link.send("begin", **facts)

    def hosts(self) -> list[dict[str, Any]]:
        """Every node for the record: number, host, address, processes, hardware."""
        everyone = {0: {**self.about, "address": self.nodes.address}, **self.others}
        return [
            {"node": rank, **{k: v for k, v in everyone[rank].items() if k not in ("config", "rewards")}}
            for rank in sorted(everyone)
        ]

    @property
    def interface_address(self) -> str | None:
        """The address of this machine under which the others reached it."""
        return next((link.own_address for link in self.links.values()), None)

    def pump(self) -> None:
        """Read what the nodes say; the first that fails or goes breaks the run."""
        for rank, link in self.links.items():
            for message in link.receive():
                if message["kind"] == "stop":
                    self.stop = self.stop or str(message["signal"])
                    self._tell_all("stop", signal=self.stop)
                elif message["kind"] == "ended":
                    self.ended[rank] = message
                    if message["status"] == "failed":
                        self._note_failure(f"{self.name(rank)}: {message['message']}", is_secondary(message))
            if link.gone and rank not in self.ended:
                self.ended[rank] = {"status": "gone"}
                self.broken = self.broken or f"{self.name(rank)} has gone: {link.gone}."
        if self._failed and time.monotonic() > self._failed[0] + LAST_WORDS_SECONDS:
            self.broken = self.broken or self._failed[1]

    def _note_failure(self, text: str, secondary: bool) -> None:
        """A node that only lost its connection to another one is not the cause; that one has time to tell."""
        if secondary:
            self._failed = self._failed or (time.monotonic(), text)
        else:
            self.broken = self.broken or text

    def tell_stop(self, name: str) -> bool:
        """Tell all nodes of a signal; it is for this one to ask the workers."""
        self._tell_all("stop", signal=name)
        return False

    def conclude(self, outcome: Outcome) -> Outcome:
        """Hear how the others ended, decide how the run did, and tell them.

        Args:
            outcome: how it ended here.

        Returns:
            How it ended altogether.
        """
        here_is_cause = outcome.status == "failed" and not is_secondary({"message": outcome.error})
        # After a stop the others may be waiting for this node's word to end.
        patience = STOP_SECONDS if outcome.status == "interrupted" else LAST_WORDS_SECONDS
        deadline = time.monotonic() + patience
        if not here_is_cause:
            while len(self.ended) < len(self.links) and time.monotonic() < deadline and not self.broken:
                self.pump()
                time.sleep(TICK_SECONDS)
        self.pump()
        if self.broken and not here_is_cause and outcome.status != "interrupted":
            outcome = replace(outcome, exit_code=EXIT_FAILED, status="failed", error=self.broken)
        return outcome

    def farewell(self, outcome: Outcome, result: Mapping[str, Any]) -> None:
        """Tell every node how the run ended."""
        self._tell_all("end", outcome=asdict(outcome), result=dict(result))

    def name(self, rank: int) -> str:
        """`Node 1 (gpu004, 10.0.0.2)`."""
        other = self.others.get(rank, {})
        return f"Node {rank} ({other.get('host')}, {other.get('address')})"

    def close(self) -> None:
        """Hang up on all."""
        self._listener.close()
        for link in self.links.values():
            link.close()

    def _missing(self) -> list[int]:
        return [rank for rank in range(1, self.nodes.count) if rank not in self.links]

    def _admit(self, link: Link, message: dict[str, Any], strangers: list[Link]) -> None:
        rank, about = int(message["rank"]), message["about"]
        # Its number first: which of two nodes of one number is the wrong one cannot be told from their configurations.
        problem = None
        if rank in self.links or not 0 < rank < self.nodes.count:
            problem = (
                f"two nodes have launch.nodes.rank={rank}: {self.about['host'] if rank == 0 else self.name(rank)} and "
                f"{about.get('host')} ({link.other_address}); start one command a node (srun --ntasks-per-node=1), "
                "each with a number of its own."
            )
        problem = problem or disagreement(self.about, about, rank)
        if problem:
            self._refuse([*strangers, link], problem)
            raise ConfigError(problem[0].upper() + problem[1:])
        self.links[rank] = link
        self.others[rank] = {**about, "address": link.other_address}

    def _refuse(self, more: list[Link], problem: str) -> None:
        for link in [*self.links.values(), *more]:
            link.send("refused", message=problem)
            link.close()

    def _tell_all(self, kind: str, **fields: Any) -> None:
        for link in self.links.values():
            link.send(kind, **fields)


def _listen(nodes: Nodes) -> socket.socket:
    """Open node 0's port, and see that the workers' port is free as well."""
    for port in (nodes.worker_port, nodes.port):
        listener = socket.socket(socket.AF_INET6 if ":" in nodes.address else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
            listener.listen(nodes.count + 8)
        except OSError as error:
            listener.close()
            raise ConfigError(
                f"launch.nodes.port={nodes.port}: port {port} of this machine cannot be used "
                f"({(error.strerror or str(error)).lower()}); write another launch.nodes.port on every node."
            ) from None
        if port == nodes.worker_port:
            listener.close()
    listener.setblocking(False)
    return listener


def _list(ranks: list[int]) -> str:
    shown = ", ".join(map(str, ranks[:8])) + (" and more" if len(ranks) > 8 else "")
    return f"node{'s' * (len(ranks) > 1)} {shown}"
