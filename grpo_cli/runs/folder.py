"""The run folder: what lies where. Every part of the program gets its paths from here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# What a run writes beside its logs; the two that tell that there is a run come last.
CONTENT = (
    *("report.html", "metrics.jsonl", "reward_failures.jsonl", "doctor.jsonl"),
    *("completions", "evaluation", "checkpoints", "model", "launch"),
    *("provenance.json", "overrides.yaml", "result.json", "config.yaml"),
)


@dataclass(frozen=True)
class RunFolder:
    """Paths inside one run's folder (nothing is created by asking for a path).

    Attributes:
        root: the folder.
        node: the machine of a multi-node run that asks: node 0 writes the run, the others their logs beside its.
    """

    root: Path
    node: int = 0

    @property
    def config(self) -> Path:
        """The frozen, resolved configuration; all that a worker reads."""
        return self.root / "config.yaml"

    @property
    def overrides(self) -> Path:
        """The overrides of the command line, as given."""
        return self.root / "overrides.yaml"

    @property
    def provenance(self) -> Path:
        """Command, git state, package versions, hardware, data fingerprint, reward source hashes."""
        return self.root / "provenance.json"

    @property
    def result(self) -> Path:
        """Status, objective, timings."""
        return self.root / "result.json"

    @property
    def metrics(self) -> Path:
        """One line per log: {"kind": "train"|"eval", "step": int, "time": epoch seconds, …}."""
        return self.root / "metrics.jsonl"

    def completions(self, split: str) -> Path:
        """Every completion of a split ("train", "eval"), one a line."""
        return self.root / "completions" / f"{split}.jsonl"

    @property
    def reward_failures(self) -> Path:
        """Every completion on which a reward failed, one a line, with all that `grpo-reward replay` needs."""
        # A file a node: on a network file system two machines cannot append to one.
        return self.root / (f"reward_failures.node{self.node}.jsonl" if self.node else "reward_failures.jsonl")

    @property
    def report(self) -> Path:
        """The page to look at, written at the end and on demand."""
        return self.root / "report.html"

    @property
    def doctor(self) -> Path:
        """What the doctor found, one finding a line."""
        return self.root / "doctor.jsonl"

    @property
    def checkpoints(self) -> Path:
        """`checkpoint-<step>` folders, each resumable once it holds its completeness mark."""
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        """The final model with its tokenizer, loadable by transformers alone."""
        return self.root / "model"

    @property
    def logs(self) -> Path:
        """Logs of the worker, the event stream and error reports; those of other nodes in `node<number>` below."""
        return self.root / "logs" / f"node{self.node}" if self.node else self.root / "logs"

    @property
    def worker_log(self) -> Path:
        """Everything the worker processes print, all ranks."""
        return self.logs / "worker.log"

    @property
    def server_log(self) -> Path:
        """What a vLLM server that the run starts prints."""
        return self.logs / "rollout_server.log"

    @property
    def events(self) -> Path:
        """What the live display follows: phases, steps, samples, resolved `auto` values."""
        return self.logs / "events.jsonl"

    @property
    def stop_request(self) -> Path:
        """Present while somebody asks the worker to save a checkpoint and end after the step it is in."""
        return self.logs / "stop"

    @property
    def lock(self) -> Path:
        """Held (flock) by the one grpo-train that owns the folder."""
        return self.logs / "lock"

    def error(self, rank: int) -> Path:
        """A rank's own account of why it ended: {"rank", "kind": "config"|"run", "message", "traceback"}."""
        return self.logs / f"error-rank{rank}.json"


def set_aside(folder: RunFolder) -> Path | None:
    """Move an earlier run in this folder to `earlier/<number>`, so that a new one starts in an empty place.

    Args:
        folder: one that the caller owns; its lock stays.

    Returns:
        Where the earlier run is now; None when there was none.
    """
    if not folder.result.exists() and not folder.config.exists():
        return None
    kept = folder.root / "earlier"
    kept.mkdir(exist_ok=True)
    number = 1 + max((int(p.name) for p in kept.iterdir() if p.name.isdigit()), default=0)
    place = RunFolder(kept / str(number))
    place.logs.mkdir(parents=True)
    for name in CONTENT:  # and nothing else: the folder may be the user's own (hydra.run.dir=.)
        if (folder.root / name).exists():
            (folder.root / name).rename(place.root / name)
    for path in [p for p in folder.logs.iterdir() if p != folder.lock]:
        path.rename(place.logs / path.name)
    return place.root
