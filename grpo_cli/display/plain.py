"""Plain lines, for logs, pipes and CI: one line per log, one per evaluation, each written out at once."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

from grpo_cli.display import text as fmt
from grpo_cli.display.base import Display
from grpo_cli.display.state import RunState, number
from grpo_cli.display.terminal import encodable


class PlainDisplay(Display):
    """Prints a line for everything worth one.

    A reader that goes away (`grpo-train | head`) ends the printing, never the run.
    """

    def __enter__(self) -> PlainDisplay:
        super().__enter__()
        facts = [self.header.get(k) for k in ("name", "model", "dataset")]
        rewards = self.header.get("rewards") or ""
        facts.append(rewards if isinstance(rewards, str) else "+".join(map(str, rewards)))
        self.line("  ".join(["grpo-train", *(fmt.clean(str(f), " ") for f in facts if f)]))
        self.line(f"folder: {self.header['folder']}")
        return self

    def tick(self) -> None:
        """Print a line for every new record that is worth one."""
        if self._closed:
            return
        phases = set(self.follower.state.phases_seen)
        for record in self.follower.stream():
            text = describe(record, self.follower.state, phases)
            if text:
                self.line(text)
            phases = set(self.follower.state.phases_seen)

    def show_note(self, text: str) -> None:
        """Print the note."""
        if text:
            self.line(text)

    def line(self, text: str) -> None:
        """Print one line and flush it."""
        write_line(self.stream, text)


def write_line(stream: Any, text: str = "") -> None:
    """Print a line; where nobody reads any more, throw this and all later output away."""
    try:
        stream.write(encodable(text, stream) + "\n")
        stream.flush()
    except BrokenPipeError:
        # Python flushes standard output once more at exit and would complain then: point it to nowhere.
        with contextlib.suppress(OSError, ValueError):
            if stream in (sys.stdout, sys.__stdout__):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
    except (OSError, ValueError):  # a full disk under the log, a stream closed meanwhile
        pass


def describe(record: dict[str, Any], state: RunState, phases: set[str]) -> str | None:
    """The line for one record, or None when it is worth none.

    Args:
        record: from the event or the metrics file.
        state: the run as it was right after this record.
        phases: names of the phases that came before this record; only a phase's first time is worth a line.
    """
    kind = record.get("event") or record.get("kind")
    if kind == "train":
        return train_line(record, state)
    if kind == "eval":
        return eval_line(record, state)
    if kind == "phase":
        name = str(record.get("name", ""))
        return fmt.clean(name, " ") if name not in phases or name == "starting" else None
    if kind == "resolved":
        value = record.get("value")
        shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        why = f"  ({record['why']})" if record.get("why") else ""
        return fmt.clean(f"{record.get('key')}={shown}{why}", " ")
    if kind == "plan":
        return plan_line(record)
    if kind == "warning":
        return "warning: " + " ".join(fmt.clean(str(record.get("message", "")), " ").split())
    if kind == "checkpoint":
        return fmt.clean(f"checkpoint step {record.get('step')}: {record.get('path')}", " ")
    return None


def train_line(record: dict[str, Any], state: RunState) -> str:
    """`step 10/100  reward 0.53  loss 0.01  entropy 0.4  length 31  1,234 tok/s  eta 0:12`."""
    total = f"/{state.max_steps}" if state.max_steps else ""
    parts = [f"step {record.get('step', 0)}{total}"]
    for name, key in (
        ("reward", "reward"),
        ("loss", "loss"),
        ("kl", "kl"),
        ("entropy", "entropy"),
        ("length", "completions/mean_length"),
    ):
        value = number(record, key)
        if value is not None:
            parts.append(f"{name} {fmt.short(round(value)) if name == 'length' else fmt.short(value)}")
    if state.tokens_per_second is not None:
        parts.append(f"{state.tokens_per_second:,.0f} tok/s")
    eta = state.eta()
    if eta is not None:
        parts.append(f"eta {fmt.duration(eta)}")
    return "  ".join(parts)


def eval_line(record: dict[str, Any], state: RunState) -> str:
    """`eval step 10: accuracy 0.62 (+0.52)`; the difference is to the first evaluation."""
    value = number(record, state.held_out_key)
    points = state.held_out
    first = points[0][1] if len(points) > 1 else None
    change = f" ({fmt.signed(value - first)})" if value is not None and first is not None else ""
    if not change and record.get("step") == 0:
        change = " (before training)"
    return f"eval step {record.get('step', 0)}: {state.held_out_name} {fmt.decimal(value)}{change}"


def plan_line(record: dict[str, Any]) -> str:
    """`plan: 100 steps, 4,000 prompts, 256 held out, 125,000 parameters, 1 process`."""
    parts = []
    for key, words in (
        ("max_steps", "steps"),
        ("num_train_prompts", "prompts"),
        ("num_eval_prompts", "held out"),
        ("parameters", "parameters"),
    ):
        value = number(record, key)
        if value is not None:
            parts.append(f"{value:,.0f} {words}")
    world = int(number(record, "world_size") or 0)
    if world:
        parts.append(f"{world} process{'es' if world > 1 else ''}")
    start = number(record, "start_step")
    if start:
        parts.append(f"from step {start:,.0f}")
    return "plan: " + ", ".join(parts)
