"""A meter of a training step: seconds and peak memory of each of its phases, on this rank.

Phases nest (rewards are scored inside the generation of a batch): what an inner one takes is not counted for the outer.
On a GPU the peaks are those of PyTorch's allocator, and every boundary waits for the kernels; on the CPU the peak is of
the process's resident memory, which Linux can be asked to forget.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

OTHER = "other"
_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Phase:
    """What a phase took.

    Attributes:
        seconds: of the measured step, all its passes together.
        calls: how often it was entered in that step.
        allocated: bytes of tensors at the peak, over all steps; None on the CPU.
        reserved: bytes that the allocator held then; None on the CPU.
        resident: bytes of the process's resident memory at the peak; None on a GPU.
    """

    seconds: float = 0.0
    calls: int = 0
    allocated: int | None = None
    reserved: int | None = None
    resident: int | None = None


class PhaseMeter:
    """Keeps the time and the peaks of nested phases.

    Args:
        device: where the model is.
        on_change: called with the phase that begins; a rank that dies has then left its name.
    """

    def __init__(self, device: torch.device, on_change: Callable[[str], None] = lambda name: None) -> None:
        self.cuda = device.type == "cuda"
        self.device = device
        self.phases: dict[str, Phase] = {}
        self._stack: list[str] = [OTHER]
        self._on_change = on_change
        self._since = time.perf_counter()

    @property
    def current(self) -> str:
        """The innermost phase."""
        return self._stack[-1]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count what happens inside for a phase. Left by an exception, the phase stays the current one."""
        self.begin(name)
        yield
        self.end()

    def begin(self, name: str) -> None:
        """Enter a phase."""
        self.settle()
        self._stack.append(name)
        self.phases.setdefault(name, Phase()).calls += 1
        self._changed()

    def end(self) -> None:
        """Leave the innermost phase."""
        self.settle()
        self._stack.pop()
        self._changed()

    def forget_times(self) -> None:
        """Begin to count seconds and calls anew, as after a step that warmed up; peaks stay."""
        self.settle()
        for phase in self.phases.values():
            phase.seconds, phase.calls = 0.0, 0

    def wrap(self, owner: Any, method: str, name: str | Callable[[], str | None]) -> None:
        """Make a method of an object count for a phase.

        Args:
            owner: the object.
            method: the method's name.
            name: the phase, or what tells it at each call (None: the phase around it).
        """
        inner = getattr(owner, method)

        def counted(*positional: Any, **arguments: Any) -> Any:
            chosen = name() if callable(name) else name
            if chosen is None:
                return inner(*positional, **arguments)
            with self.phase(chosen):
                return inner(*positional, **arguments)

        setattr(owner, method, counted)

    def _changed(self) -> None:
        self._on_change(self.current)
        self._since = time.perf_counter()  # what was done about the change belongs to no phase

    def settle(self) -> None:
        """Count what has passed since the last boundary for the current phase."""
        if self.cuda:
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        phase = self.phases.setdefault(self.current, Phase())
        phase.seconds += now - self._since
        if self.cuda:
            phase.allocated = max(phase.allocated or 0, torch.cuda.max_memory_allocated(self.device))
            phase.reserved = max(phase.reserved or 0, torch.cuda.max_memory_reserved(self.device))
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            phase.resident = max(phase.resident or 0, peak_resident())
            forget_peak_resident()
        self._since = time.perf_counter()


def peak_resident() -> int:
    """Most resident memory of this process so far (or since `forget_peak_resident`), bytes; 0 where unknown."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def forget_peak_resident() -> None:
    """Set the peak back to what is resident now (proc(5), clear_refs); where that is refused, peaks only rise."""
    try:
        _FORGET.write_text("5")
    except OSError:
        return
