"""Plain lines, for logs, pipes and CI: one line per log, one per evaluation, each written out at once."""

from __future__ import annotations

from typing import Any

from grpo_cli.display import formatting as fmt
from grpo_cli.display.base import Display
from grpo_cli.display.findings import finding_lines
from grpo_cli.display.state import RunState
from grpo_cli.runs.metrics import number


class PlainDisplay(Display):
    """Prints a line for everything worth one."""

    def __enter__(self) -> PlainDisplay:
        super().__enter__()
        self._phases: set[str] = set()
        self.console.out("  ".join(["grpo-train", fmt.one_line(self.header.get("name") or "")]).rstrip())
        for fact in (*fmt.header_facts(self.header), f"folder {self.header['folder']}"):
            name, _, value = fact.partition(" ")
            self.console.out(f"{name}: {value}")
        return self

    def tick(self) -> None:
        """Print a line for every new record that is worth one."""
        for record in self.follower.stream():
            if self.closed:
                continue
            if record.get("event") == "phase":
                self._phase(str(record.get("name", "")))
            elif text := describe(record, self.follower.state):
                self.console.out(text)

    def _phase(self, name: str) -> None:
        """Tell of a phase when it comes for the first time: evaluations come again and again."""
        if name == "starting":
            self._phases.clear()
        if name not in self._phases:
            self._phases.add(name)
            self.console.out(fmt.one_line(name))

    def note(self, text: str) -> None:
        """Print the note."""
        super().note(text)
        if text and not self.closed:
            self.console.out(text)


def describe(record: dict[str, Any], state: RunState) -> str | None:
    """The line for one record, or None when it is worth none.

    Args:
        record: from the event or the metrics file.
        state: the run as it was right after this record.
    """
    kind = record.get("event") or record.get("kind")
    if kind == "train":
        return train_line(record, state)
    if kind == "eval":
        return eval_line(record, state)
    if kind == "resolved":
        why = f"  ({fmt.one_line(record['why'])})" if record.get("why") else ""
        return f"{fmt.one_line(record.get('key'))}={fmt.setting(record.get('value'))}{why}"
    if kind == "plan":
        return plan_line(record)
    if kind == "doctor":
        return "\n".join(finding_lines(record))
    if kind == "warning":
        return "warning: " + fmt.one_line(record.get("message", ""))
    if kind == "checkpoint":
        return fmt.one_line(f"checkpoint step {record.get('step')}: {record.get('path')}")
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
    """`eval step 10: accuracy 0.62 (+0.52 ±0.04)`; the difference is to the first evaluation."""
    value = number(record, state.held_out_key)
    points = state.held_out
    first = points[0][1] if len(points) > 1 else None
    change = (
        f" ({fmt.signed(value - first)}{fmt.margin(state.held_out_margin)})"
        if value is not None and first is not None
        else ""
    )
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
