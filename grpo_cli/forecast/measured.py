"""What a probe measured, read from its ranks' files: peak memory by phase, and the seconds of a step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo_cli.forecast.memory import BACKWARD, GENERATION, LOGPROBS, OPTIMIZER

REWARD, OTHER = "reward", "other"
# In the order of a step.
ORDER = (GENERATION, REWARD, LOGPROBS, BACKWARD, OPTIMIZER, OTHER)
_PER_GENERATION = (GENERATION, REWARD, LOGPROBS)


def rank_file(folder: Path, rank: int) -> Path:
    """Where a rank of a probe leaves what it measured."""
    return folder / f"probe-rank{rank}.json"


@dataclass(frozen=True)
class Rank:
    """One process's measurement.

    Attributes:
        rank: its number.
        device: a GPU's name, or "cpu".
        total: bytes of memory of the GPU; None on the CPU.
        peaks: bytes at the peak, by phase: of what the allocator held on a GPU, resident on the CPU.
        tensors: bytes of tensors at the peak, by phase; empty on the CPU.
        seconds: of one optimizer step, by phase.
        prompt: tokens of the longest prompt of the batch.
        completion: tokens of the longest completion.
        phase: where it was when it last wrote.
        done: whether it got to the end.
        out_of_memory: whether memory ran out in that phase.
    """

    rank: int
    device: str = "cpu"
    total: int | None = None
    peaks: Mapping[str, int] = field(default_factory=dict)
    tensors: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    prompt: int | None = None
    completion: int | None = None
    phase: str = ""
    done: bool = False
    out_of_memory: bool = False

    @property
    def peak(self) -> int:
        """Bytes at the worst moment."""
        return max(self.peaks.values(), default=0)

    @property
    def peak_phase(self) -> str:
        """The phase of the worst moment."""
        return max(self.peaks, key=self.peaks.__getitem__, default="")


@dataclass(frozen=True)
class Measurement:
    """All ranks of a probe."""

    ranks: Sequence[Rank]

    @property
    def worst(self) -> Rank:
        """The rank that needs most memory."""
        return max(self.ranks, key=lambda rank: rank.peak)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of a step by phase; of the slowest rank, for which the others wait."""
        return dict(max(self.ranks, key=lambda rank: sum(rank.seconds.values())).seconds)

    @property
    def step_seconds(self) -> float:
        """Seconds of an optimizer step, generation counted by its share where one feeds several steps."""
        return sum(self.seconds.values())

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "step_seconds": round(self.step_seconds, 4),
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
            "ranks": [
                {
                    "rank": rank.rank,
                    "device": rank.device,
                    "peak_bytes": rank.peak,
                    "peak_phase": rank.peak_phase,
                    "phases": dict(rank.peaks),
                    "tensors": dict(rank.tensors),
                    "seconds": {name: round(value, 4) for name, value in rank.seconds.items()},
                    "prompt_tokens": rank.prompt,
                    "completion_tokens": rank.completion,
                }
                for rank in self.ranks
            ],
        }


def read_measurement(folder: Path) -> Measurement | None:
    """Read what the ranks of a probe have left.

    Args:
        folder: the probe's run folder.

    Returns:
        The measurement, unfinished where a rank came to no end; None where no rank got as far as to write.
    """
    ranks = []
    for path in sorted(folder.glob("probe-rank*.json"), key=lambda p: int(p.stem.removeprefix("probe-rank"))):
        try:
            ranks.append(_rank(int(path.stem.removeprefix("probe-rank")), json.loads(path.read_text("utf-8"))))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return Measurement(ranks) if ranks else None


def _rank(number: int, facts: Mapping[str, Any]) -> Rank:
    phases: Mapping[str, Mapping[str, Any]] = facts["phases"]
    ordered = [name for name in ORDER if name in phases]
    on_gpu = facts.get("total_bytes") is not None
    return Rank(
        rank=number,
        device=str(facts.get("device", "cpu")),
        total=facts.get("total_bytes"),
        peaks={n: int(phases[n]["reserved" if on_gpu else "resident"] or 0) for n in ordered},
        tensors={n: int(phases[n]["allocated"] or 0) for n in ordered} if on_gpu else {},
        seconds={n: _per_step(n, phases, facts) for n in ordered},
        prompt=facts.get("prompt_tokens"),
        completion=facts.get("completion_tokens"),
        phase=str(facts.get("phase", "")),
        done=bool(facts.get("done")),
        out_of_memory=bool(facts.get("out_of_memory")),
    )


def _per_step(name: str, phases: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> float:
    """Seconds of a phase in a step of the run, where a generation may feed several steps or part of one."""
    seconds = float(phases[name]["seconds"])
    made = int(phases.get(GENERATION, {}).get("calls") or 0)
    if name not in _PER_GENERATION or not made:
        return seconds
    return seconds / made * int(facts["passes"]) / int(facts["passes_per_generation"])
