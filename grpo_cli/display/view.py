"""The picture of a run: what the live view shows for a state, at any size of the terminal.

A pure function of a `Scene`, so that the terminal and the tests show the same thing. The sections carry an
importance; where the terminal is short the least important go first, and the progress line is the last left.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.segment import Segment, SegmentLines
from rich.table import Table
from rich.text import Text

from grpo_cli.display import formatting as fmt
from grpo_cli.display.charts import charts, compact_charts
from grpo_cli.display.console import (
    ACCENT,
    BAD,
    BOLD,
    DIM,
    GOOD,
    STATUS_STYLES,
    WARN,
    RunConsole,
    line,
)
from grpo_cli.display.findings import findings
from grpo_cli.display.scene import Scene
from grpo_cli.runs.metrics import number

PROGRESS, CHARTS, COMPACT_CHARTS = 100, 55, 70
"""Importance of the progress line, and of the charts in their boxes and as one line each."""


def draw(scene: Scene) -> RenderableType:
    """Draw one frame: at most `scene.height` lines of at most `scene.width` cells."""
    # Top to bottom, each with its importance: the higher, the longer it stays.
    sections: list[tuple[int, Callable[[Scene], RenderableType | None]]] = [
        (80, _title),
        (40, _made_of),
        (5, _blank),
        (PROGRESS, _progress),
        (4, _blank),
        (CHARTS, charts),
        (60, _metrics),
        (50, _reward_means),
        (30, _sample),
        (68, findings),
        (65, _warnings),
        (90, _note),
        (20, _footer),
    ]
    options = scene.console.options.update(width=scene.width)

    def drawn(importance: int, picture: RenderableType | None) -> tuple[int, list[list[Segment]]]:
        if picture is None:
            return importance, []
        return importance, scene.console.render_lines(picture, options, pad=False, new_lines=True)

    shown = [drawn(importance, section(scene)) for importance, section in sections]
    while sum(len(lines) for _, lines in shown) > scene.height and len(shown) > 1:
        least = min(shown, key=lambda part: part[0])
        index = shown.index(least)
        # The charts shrink to one line each before they go.
        shown[index : index + 1] = [drawn(COMPACT_CHARTS, compact_charts(scene))] if least[0] == CHARTS else []
    return SegmentLines(row for _, rows in shown for row in rows)


def _blank(scene: Scene) -> Text:
    return line()


def _left_and_right(left: Text, right: Text, width: int) -> RenderableType:
    """One line with a left and a right part; the right one is left out where both do not fit."""
    if left.cell_len + 2 + right.cell_len > width:
        return left
    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_row(left, right)
    return grid


def _title(scene: Scene) -> RenderableType:
    left = line(("grpo-train", f"bold {ACCENT}"), "  ", (fmt.one_line(scene.header.get("name", "")), BOLD))
    plan, facts = scene.state.plan, []
    if parameters := number(plan, "parameters"):
        facts.append(f"{fmt.count(parameters)} parameters")
    if prompts := number(plan, "num_train_prompts"):
        facts.append(f"{prompts:,.0f} prompts")
    if world := int(number(plan, "world_size") or 0):
        facts.append(f"{world} process{'es' if world > 1 else ''}")
    return _left_and_right(left, line((f" {scene.glyphs.dot} ".join(facts), DIM)), scene.width)


def _made_of(scene: Scene) -> RenderableType | None:
    facts = fmt.header_facts(scene.header)
    return line((f" {scene.glyphs.dot} ".join(facts), DIM)) if facts else None


def _progress(scene: Scene) -> RenderableType:
    state, glyphs = scene.state, scene.glyphs
    status = str((scene.result or {}).get("status") or "")
    style = STATUS_STYLES.get(status, WARN if state.stopping else ACCENT)
    if status:
        mark = {"completed": glyphs.tick, "failed": glyphs.cross}.get(status, glyphs.stop)
        activity, eta = status, None
    else:
        mark = glyphs.spinner[int(scene.now * 4) % len(glyphs.spinner)]
        activity = "stopping" if state.stopping else state.phase or "starting"
        eta = state.eta(scene.now if state.phase == "training" else None)
    seconds = number(scene.result or {}, "seconds")
    times = line((fmt.duration(seconds if seconds is not None else state.elapsed(scene.now)), DIM))
    if eta is not None:
        times.append("  eta ", DIM).append(fmt.duration(eta), BOLD)

    cells: list[RenderableType] = [line((f"{mark} {fmt.one_line(activity)}", f"bold {style}"))]
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    # The bar begins at one column whatever the phase is called, so that it does not jump.
    grid.add_column(min_width=15 if scene.width >= 50 else None)
    if state.max_steps:
        if scene.width >= 50:
            cells.append(ProgressBar(state.max_steps, state.step, None, False, DIM, style, style))
            grid.add_column(ratio=1)
            grid.expand = True
        cells.append(line((f"{state.step:,}/{state.max_steps:,}", BOLD)))
    if scene.width >= 30:
        cells.append(times)
    grid.add_row(*cells)
    return grid


def _metrics(scene: Scene) -> RenderableType | None:
    """The numbers, each in a cell of a grid with as many columns as fit."""
    train, state = scene.state.train, scene.state
    if not train:
        return None

    def share(value: float) -> str:
        return f"{value * 100:.0f} %"

    wanted: list[tuple[str, float | None, Callable[[float], str]]] = [
        ("length", number(train, "completions/mean_length"), lambda v: f"{v:.1f}"),
        ("entropy", number(train, "entropy"), fmt.decimal),
        ("loss", number(train, "loss"), lambda v: fmt.decimal(v, 3)),
        ("truncated", number(train, "completions/clipped_ratio"), share),
        ("KL", number(train, "kl"), lambda v: fmt.decimal(v, 4)),
        ("grad norm", number(train, "grad_norm"), fmt.decimal),
        ("tokens/s", state.tokens_per_second, lambda v: f"{v:,.0f}"),
        ("learning rate", number(train, "learning_rate"), fmt.scientific),
        ("no signal", number(train, "frac_reward_zero_std"), share),
    ]
    cells = [line((f"{name:<14}", DIM), (show(value), BOLD)) for name, value, show in wanted if value is not None]
    columns = max(1, min(3, scene.width // 24))
    grid = Table.grid(expand=True)
    for _ in range(columns):
        grid.add_column(ratio=1)
    for start in range(0, len(cells), columns):
        grid.add_row(*cells[start : start + columns])
    return grid


def _reward_means(scene: Scene) -> RenderableType | None:
    means = scene.state.reward_means
    if len(means) < 2:
        return None
    row = line((f"{'rewards':<14}", DIM))
    for i, (name, value) in enumerate(means.items()):
        row.append(f"  {scene.glyphs.dot}  " if i else "", DIM)
        row.append(f"{fmt.one_line(name)} ").append(fmt.decimal(value), BOLD)
    return row


def _sample(scene: Scene) -> RenderableType | None:
    """A completion of the policy as it is now; before the first one, what the `auto` settings became."""
    sample, glyphs = scene.state.sample, scene.glyphs
    if sample is None:
        return _resolved(scene)
    title = line((f"a completion at step {sample.get('step', 0)}", DIM))
    reward = number(sample, "reward")
    if reward is not None:
        style = GOOD if reward > 0 else BAD if reward < 0 else DIM
        title.append(f" {glyphs.dot} reward ", DIM).append(fmt.decimal(reward), f"bold {style}")
    # Of a prompt the end is shown: with few-shot examples in front, that is where the question stands.
    width = scene.width - 4
    prompt = fmt.one_line(fmt.message_text(sample.get("prompt")))
    if len(prompt) > width:
        prompt = glyphs.ellipsis + prompt[-(width - len(glyphs.ellipsis)) :]
    rows = 3 if scene.height < 26 else 6
    body = [line((prompt, DIM)), *excerpt(fmt.message_text(sample.get("completion")), width, rows, scene.console)]
    body += [line()] * (4 - len(body))  # a one-line answer must not make the lines below jump
    return scene.panel(title, body)


def _resolved(scene: Scene) -> RenderableType | None:
    if not scene.state.resolved or scene.state.train:
        return None
    body = [
        line(f"{fmt.one_line(key)} ", ("= ", DIM), (fmt.setting(value), BOLD), (f"  {fmt.one_line(why)}", DIM))
        for key, (value, why) in list(scene.state.resolved.items())[:6]
    ]
    return scene.panel(line(("settings left to auto", DIM)), body)


def excerpt(text: str, width: int, rows: int, console: RunConsole) -> list[Text]:
    """A foreign text in at most `rows` (3 or more) lines of `width` cells: its beginning and its last line.

    The last line stays because that is where a completion's answer stands.
    """
    wrapped = Text(fmt.clean(text.strip())).wrap(console, max(8, width))
    lines = [line(one.plain) for one in wrapped if one.plain.strip()] or [line()]
    if len(lines) <= rows:
        return lines
    hidden = line((f"{console.glyphs.elide} {len(lines) - rows + 1} more lines", DIM))
    return [*lines[: rows - 2], hidden, lines[-1]]


def _warnings(scene: Scene) -> RenderableType | None:
    warnings = list(scene.state.warnings)
    rows: list[RenderableType] = []
    for message in warnings[-2:]:
        rows.append(line((f"{scene.glyphs.warn} ", f"bold {WARN}"), (fmt.one_line(message), WARN)))
    if len(warnings) > 2:
        rows.append(line((f"  and {len(warnings) - 2} more, in logs/events.jsonl", DIM)))
    return Group(*rows) if rows else None


def _note(scene: Scene) -> RenderableType | None:
    return line((fmt.one_line(scene.note), f"bold {WARN}")) if scene.note else None


def _footer(scene: Scene) -> RenderableType:
    folder = fmt.one_line(scene.header.get("folder") or "")
    hint = "" if scene.result or scene.state.stopping else "Ctrl-C saves a checkpoint and stops"
    left = line((f"{scene.glyphs.arrow} {folder}" if folder else "", DIM))
    return _left_and_right(left, line((hint, DIM)), scene.width)
