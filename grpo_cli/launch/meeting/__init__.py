"""How the grpo-trains of a run's nodes find each other, agree before anything starts, and end together.

torch's own rendezvous joins the workers, but tells little when something is wrong: a node that never comes is a
bare time-out, a node that dies leaves the others waiting in NCCL for ten minutes. So the nodes' composers, which are
there before torch is loaded and after it has died, keep a connection of their own, each to node 0:

- before: node 0 waits for all, compares configurations, versions and ranks, and says which run folder it is;
- meanwhile: a stop on one node is a stop of all, a node that goes is noticed by its closed connection;
- after: the failure that came first is told on every node, and all exit with the run's exit code.
"""

from __future__ import annotations

from typing import Protocol

TICK_SECONDS = 0.05
CONNECT_SECONDS = 3.0
LAST_WORDS_SECONDS = 15.0  # for the other nodes' accounts of how they ended, once this one's workers have
STOP_SECONDS = 2.0  # the same after a stop: the others may be waiting for this node's word to end


class Peers(Protocol):
    """What a launch sees of the other nodes while its workers run."""

    broken: str | None  # why the run cannot go on, where another node is the cause
    stop: str | None  # the signal that another node got

    def pump(self) -> None:
        """Read and answer what has come; called every tick."""

    def tell_stop(self, name: str) -> bool:
        """Tell the others of this node's signal; returns whether another node asks the workers to stop."""
