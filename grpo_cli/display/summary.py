"""The end of a run in words: what was gained, where everything is, what to type next."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import IO, Any

from rich.padding import Padding
from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.console import ACCENT, BAD, BOLD, DIM, GOOD, STATUS_STYLES, WARN, make_console
from grpo_cli.display.findings import finding_lines
from grpo_cli.display.follow import Follower
from grpo_cli.display.state import RunState, shown_metric
from grpo_cli.runs.folder import RunFolder
from grpo_cli.runs.metrics import number
from grpo_cli.runs.result import read_json


def resume_override(folder: str) -> str:
    """The override that resumes a run, quoted as Hydra and a shell need it."""
    if re.fullmatch(r"[\w./:+@%-]+", folder):
        return f"resume={folder}"
    escaped = folder.replace("'", "\\'")
    return shlex.quote(f"resume='{escaped}'")


def print_summary(
    folder: RunFolder,
    result: dict[str, Any],
    *,
    header: dict[str, Any] | None = None,
    state: RunState | None = None,
    stream: IO[str] | None = None,
) -> None:
    """Print how a run ended.

    Args:
        folder: the run folder.
        result: result.json's content: `status`, `seconds`, `step`, `max_steps`, `metrics`, `error`.
        header: its `folder` is how the paths are shown; the run folder's own path by default.
        state: the run as followed so far; read from the folder's files where it is not at hand.
        stream: where to write; standard output by default.
    """
    console = make_console(stream)

    def write(*parts: str | tuple[str, str]) -> None:
        # Never wrapped: a path or command must stay whole to be copied.
        console.print(Text.assemble(*parts), soft_wrap=True)

    def prose(text: str, style: str, indent: int = 2) -> None:
        """Wrapped between words: nobody copies it."""
        console.print(Padding(Text(text.strip(), style), (0, 0, 0, indent), expand=False))

    if state is None:
        follower = Follower(folder)
        follower.poll()
        state = follower.state
    shown = str((header or {}).get("folder") or folder.root)
    status = str(result.get("status") or "failed")
    style = STATUS_STYLES.get(status, WARN)
    glyphs = console.glyphs
    mark = {"completed": glyphs.tick, "failed": glyphs.cross}.get(status, glyphs.stop)
    write()
    write((f"{mark} {status}", f"bold {style}"), ("   " + _effort(result, state, glyphs.dot), DIM))
    error = str(result.get("error") or "").strip()
    if error and status != "completed":
        for row in fmt.clean(error).split("\n"):
            style = BAD if status == "failed" else WARN
            if _ended_by_doctor(result) and "/" not in row:
                prose(row, style)
            else:
                write("  ", (row, style))
    best = result.get("best") or {}
    if result.get("stopped") and status in ("completed", "pruned"):
        prose("stopped early: " + fmt.clean(str(result["stopped"])), DIM)
    if best and best.get("step") != result.get("step"):
        write((f"  model/ is the best one, of step {best.get('step')}", DIM))
    gains = _gains(result, state)
    if gains:
        write()
    for name, first, last, key in gains:
        gain = last - first
        change = (f"  {fmt.signed(gain)}", f"bold {GOOD if gain > 0 else BAD if gain < 0 else DIM}")
        sure = (_interval(result, key, gain), DIM) if key else ""
        write(f"  {name:<18} {fmt.decimal(first)} {glyphs.arrow} ", (fmt.decimal(last), BOLD), change, sure)
    told = [f for f in result.get("doctor") or [] if isinstance(f, dict) and f.get("severity") != "info"]
    if told:
        write()
        write(("  The doctor found:", DIM))
    for finding in told:
        style = BAD if finding.get("severity") == "error" else WARN
        for i, text in enumerate(finding_lines(finding)):
            if text.lstrip().startswith("try "):
                write("    ", (text, DIM))
            else:
                prose(text, DIM if i else style, 6 if i else 4)
    write()
    for name, path in _places(folder, status, told=error):
        relative = path.relative_to(folder.root)
        write((f"  {name:<18} ", DIM), shown if relative == Path() else str(Path(shown) / relative))
    for title, commands in _next(folder, shown, status, _ended_by_doctor(result)):
        write()
        write((f"  {title}", DIM))
        for command in commands:
            write("    ", (command, ACCENT))
    write()


def _effort(result: dict[str, Any], state: RunState, dot: str) -> str:
    """`100 of 100 steps · 0:19 · 218,112 completion tokens`."""
    step = int(number(result, "step") or state.step)
    total = int(number(result, "max_steps") or state.max_steps)
    parts = [f"{step:,} of {total:,} steps"] if total else []
    seconds = number(result, "seconds")
    if seconds is not None:
        parts.append(fmt.duration(seconds))
    if state.tokens:
        parts.append(f"{state.tokens:,} completion tokens")
    return f" {dot} ".join(parts)


def _gains(result: dict[str, Any], state: RunState) -> list[tuple[str, float, float, str]]:
    """What changed from first to last: (name, first, last, its key where an evaluation measured it)."""
    gains = []
    metrics = result.get("metrics") or {}
    before, after = metrics.get("before") or {}, metrics.get("after") or {}
    shown = shown_metric(after)
    points = [v for _, v in state.held_out]
    if shown and number(before, shown) is not None:
        # The same metric of every data set; the one that stands for the run first.
        metric = shown.rpartition("/")[2]
        others = [key for key in after if re.fullmatch(rf"eval/[^/]+/{re.escape(metric)}", key) and key != shown]
        for key in (shown, *others):
            first, last = number(before, key), number(after, key)
            if first is not None and last is not None:
                gains.append((_name(key), first, last, key))
    elif len(points) > 1:
        gains.append((f"held-out {state.held_out_name}", points[0], points[-1], ""))
    if len(state.rewards) > 1:
        gains.append(("training reward", state.rewards[0][1], state.rewards[-1][1], ""))
    return gains


def _name(key: str) -> str:
    """`held-out accuracy` for `eval/held_out/accuracy`, `gsm8k accuracy` for another data set's."""
    dataset, metric = key.removeprefix("eval/").split("/")
    return f"{'held-out' if dataset == 'held_out' else fmt.one_line(dataset)} {metric}"


def _interval(result: dict[str, Any], key: str, gain: float) -> str:
    """`  95 %: +0.90 to +0.97`, of the gain that was measured prompt by prompt."""
    after = (result.get("metrics") or {}).get("after") or {}
    low, high = (number(after, f"{key}_gain_{end}") for end in ("low", "high"))
    return "" if low is None or high is None or not gain else f"  95 %: {fmt.signed(low)} to {fmt.signed(high)}"


def _ended_by_doctor(result: dict[str, Any]) -> bool:
    return bool(result.get("stopped")) and result.get("status") == "failed"


def _places(folder: RunFolder, status: str, told: str = "") -> list[tuple[str, Path]]:
    """What lies where, without what the error has `told` already."""
    places = [("run folder", folder.root)]
    log = folder.worker_log if status == "failed" and str(folder.worker_log) not in told else None
    for name, path in (
        ("report", folder.report),
        ("model", folder.model),
        ("metrics", folder.metrics),
        ("completions", folder.completions("train").parent),
        ("log", log),
    ):
        if path is not None and path.exists():
            places.append((name, path))
    return places


def _next(folder: RunFolder, shown: str, status: str, ill: bool = False) -> list[tuple[str, list[str]]]:
    """What the user may want to type now, with its title."""
    if status == "completed" and folder.model.exists():
        model = json.dumps(str(Path(shown) / "model"), ensure_ascii=False)
        if read_json(folder.model / "adapter_config.json").get("use_dora"):
            # transformers 5.23 loads such an adapter without its trained magnitudes, silently.
            lines = [
                "from peft import AutoPeftModelForCausalLM",
                f"model = AutoPeftModelForCausalLM.from_pretrained({model})",
            ]
        else:
            lines = ["from transformers import pipeline", f'generate = pipeline("text-generation", {model})']
        return [("Use the model:", lines)]
    if any(folder.checkpoints.glob("checkpoint-*")):
        title = "Start again with what the doctor suggests, or go on all the same:" if ill else ""
        return [(title or "Go on from the last checkpoint:", [f"grpo-train {resume_override(shown)}"])]
    if status == "interrupted":
        return [("No checkpoint had been saved yet: start it again to train from the beginning.", [])]
    return []
