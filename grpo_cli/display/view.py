"""The picture of a run: what the live view shows for a state, at any size of the terminal.

A pure function from (state, header, size) to lines, so that the terminal, the tests and the SVG export
show the same thing. The sections carry an importance; where the terminal is short the least important
go first, and the last thing left is the progress line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grpo_cli.display import text as fmt
from grpo_cli.display.charts import charts, compact_charts
from grpo_cli.display.layout import ACCENT, BAD, BOLD, DIM, GOOD, WARN, bar, card, excerpt, fit, line, spread
from grpo_cli.display.state import RunState, number
from grpo_cli.display.terminal import Glyphs

if TYPE_CHECKING:
    from rich.text import Text

MAX_WIDTH = 110
"""Beyond this the eye has to travel; the view stays at the left."""
FULL_CHARTS, SMALL_CHARTS = 55, 70
"""Importance of the charts in their boxes, and as one line each."""


@dataclass
class Scene:
    """All that a frame is drawn from.

    Args:
        state: the run.
        header: `name`, `model`, `dataset`, `rewards`, `folder`; every one may be missing.
        width: cells of the terminal.
        height: lines that the frame may take.
        glyphs: the characters to draw with.
        now: epoch seconds.
        beat: which picture of the spinner.
        result: result.json's content once the run ended.
        note: one line from the program itself ("stopping after this step").
    """

    state: RunState
    header: dict[str, Any]
    width: int
    height: int
    glyphs: Glyphs
    now: float
    beat: int = 0
    result: dict[str, Any] | None = None
    note: str = ""


def build(scene: Scene) -> list[Text]:
    """Draw one frame.

    Returns:
        At most `scene.height` lines, none wider than `scene.width - 1` cells (the last column stays free:
        writing into it makes some terminals wrap).
    """
    scene.width = max(10, min(MAX_WIDTH, scene.width - 1))
    # Top to bottom, each with its importance: the higher, the longer it stays.
    sections: list[tuple[int, Callable[[Scene], list[Text]]]] = [
        (80, _title),
        (40, _what),
        (5, _blank),
        (100, _progress),
        (4, _blank),
        (FULL_CHARTS, charts),
        (60, _metrics),
        (50, _reward_means),
        (30, _sample),
        (65, _warnings),
        (90, _note),
        (20, _footer),
    ]
    drawn = [(importance, draw(scene)) for importance, draw in sections]
    while sum(len(lines) for _, lines in drawn) > scene.height:
        drop = min((entry for entry in drawn if entry[1]), key=lambda entry: entry[0])
        if drop[0] >= 100:
            break
        index = drawn.index(drop)
        if drop[0] == FULL_CHARTS:  # the charts shrink to one line each before they go
            drawn[index] = (SMALL_CHARTS, compact_charts(scene))
        else:
            drawn[index] = (drop[0], [])
    frame = [fit(row, scene.width, scene.glyphs) for _, lines in drawn for row in lines]
    return frame[: scene.height]


def _blank(scene: Scene) -> list[Text]:
    return [line()]


def _title(scene: Scene) -> list[Text]:
    left = line(("grpo-train", f"bold {ACCENT}"), "  ", (fmt.clean(str(scene.header.get("name", "")), " "), BOLD))
    plan, dot = scene.state.plan, f" {scene.glyphs.dot} "
    facts = []
    if parameters := number(plan, "parameters"):
        facts.append(f"{fmt.count(parameters)} parameters")
    if prompts := number(plan, "num_train_prompts"):
        facts.append(f"{prompts:,.0f} prompts")
    world = int(number(plan, "world_size") or 0)
    if world:
        facts.append(f"{world} process{'es' if world > 1 else ''}")
    return [spread(left, line((dot.join(facts), DIM)), scene.width, scene.glyphs)]


def _what(scene: Scene) -> list[Text]:
    rewards = scene.header.get("rewards") or ""
    if not isinstance(rewards, str):
        rewards = " + ".join(str(r) for r in rewards)
    parts = [str(scene.header.get(k) or "") for k in ("model", "dataset")] + [rewards]
    text = f" {scene.glyphs.dot} ".join(fmt.clean(p, " ") for p in parts if p)
    return [line((text, DIM))] if text else []


def _progress(scene: Scene) -> list[Text]:
    state, glyphs = scene.state, scene.glyphs
    seconds = number(scene.result or {}, "seconds")
    elapsed = seconds if seconds is not None else state.elapsed(scene.now)
    status = (scene.result or {}).get("status")
    style = {"completed": GOOD, "failed": BAD, "interrupted": WARN}.get(str(status), ACCENT)
    if status:
        mark = {"completed": glyphs.tick, "failed": glyphs.cross}.get(str(status), glyphs.stop)
        activity = str(status)
    else:
        mark = glyphs.spinner[scene.beat % len(glyphs.spinner)]
        activity = "stopping" if state.stopping else state.phase or "starting"
        style = WARN if state.stopping else style
    left = line((f"{mark} {fmt.clean(activity, ' ')}", f"bold {style}"))
    facts = []
    if state.max_steps:
        facts.append(line((f"  {state.step:,}/{state.max_steps:,}", BOLD)))
    eta = None if status else state.eta(scene.now if state.phase == "training" else None)
    facts.append(line((f"  {fmt.duration(elapsed)}", DIM)))
    if eta is not None:
        facts.append(line(("  eta ", DIM), (fmt.duration(eta), BOLD)))
    right = line()
    for fact in facts:
        if left.cell_len + right.cell_len + fact.cell_len <= scene.width:
            right.append_text(fact)
    # The bar begins at one column whatever the phase is called, so that it does not jump.
    start = max(16, left.cell_len + 1)
    room = scene.width - start - right.cell_len
    if not state.max_steps or room < 6:
        return [spread(left, right, scene.width, glyphs)]
    left.append(" " * (start - left.cell_len)).append_text(bar(state.step / state.max_steps, room, glyphs, style))
    return [left.append_text(right)]


def _metrics(scene: Scene) -> list[Text]:
    """The numbers, each in a cell of a grid with as many columns as fit."""
    train, state = scene.state.train, scene.state
    if not train:
        return []
    cells: list[tuple[str, str]] = []

    def add(name: str, key: str, show: Callable[[float | None], str] = fmt.decimal) -> None:
        value = number(train, key)
        if value is not None:
            cells.append((name, show(value)))

    def share(value: float | None) -> str:
        return f"{(value or 0) * 100:.0f} %"

    add("length", "completions/mean_length", lambda v: f"{v:.1f}")
    add("entropy", "entropy")
    add("loss", "loss", lambda v: fmt.decimal(v, 3))
    add("truncated", "completions/clipped_ratio", share)
    add("KL", "kl", lambda v: fmt.decimal(v, 4))
    add("grad norm", "grad_norm")
    if state.tokens_per_second is not None:
        cells.append(("tokens/s", f"{state.tokens_per_second:,.0f}"))
    add("learning rate", "learning_rate", fmt.scientific)
    add("no signal", "frac_reward_zero_std", share)
    columns = max(1, min(3, scene.width // 24))
    cell = scene.width // columns
    rows = []
    for start in range(0, len(cells), columns):
        row = line()
        for name, value in cells[start : start + columns]:
            piece = line((f"{name:<14}", DIM), (value, BOLD))
            row.append_text(fit(piece, cell, scene.glyphs, pad=True))
        rows.append(row)
    return rows


def _reward_means(scene: Scene) -> list[Text]:
    means = scene.state.reward_means
    if len(means) < 2:
        return []
    row = line((f"{'rewards':<14}", DIM))
    for i, (name, value) in enumerate(means.items()):
        row.append(f"  {scene.glyphs.dot}  " if i else "", DIM)
        row.append(fmt.clean(name, " ") + " ").append(fmt.decimal(value), BOLD)
    return [row]


def _sample(scene: Scene) -> list[Text]:
    """A completion of the policy as it is now; before the first one, what the `auto` settings became."""
    state, glyphs = scene.state, scene.glyphs
    inner = scene.width - 4
    if state.sample is None:
        if not state.resolved or state.train:
            return []
        body = []
        for key, (value, why) in list(state.resolved.items())[:6]:
            text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            body.append(line(f"{fmt.clean(key, ' ')} ", ("= ", DIM), (fmt.clean(text, " "), BOLD)))
            if why:
                body[-1].append(f"  {fmt.clean(why, ' ')}", DIM)
        return card(line(("settings left to auto", DIM)), body, scene.width, glyphs)
    reward = number(state.sample, "reward")
    title = line((f"a completion at step {state.sample.get('step', 0)}", DIM))
    if reward is not None:
        style = GOOD if reward > 0 else BAD if reward < 0 else DIM
        title.append(f" {glyphs.dot} reward ", DIM).append(fmt.decimal(reward), f"bold {style}")
    # Of a prompt the end is shown: with few-shot examples in front, that is where the question stands.
    prompt = " ".join(fmt.clean(fmt.message_text(state.sample.get("prompt")), " ").split())
    if len(prompt) > inner:
        prompt = glyphs.ellipsis + prompt[-(inner - len(glyphs.ellipsis)) :]
    rows = 3 if scene.height < 26 else 6
    completion = excerpt(fmt.message_text(state.sample.get("completion")), inner, rows, glyphs)
    body = [line((prompt, DIM)), *(line(row) for row in completion)]
    body += [line()] * (4 - len(body))  # a one-line answer must not make the lines below jump
    return card(title, body, scene.width, glyphs)


def _warnings(scene: Scene) -> list[Text]:
    rows = []
    warnings = list(scene.state.warnings)
    for message in warnings[-2:]:
        text = " ".join(fmt.clean(message, " ").split())
        rows.append(line((f"{scene.glyphs.warn} ", f"bold {WARN}"), (text, WARN)))
    if len(warnings) > 2:
        rows[-1] = spread(rows[-1], line((f"{len(warnings)} warnings", DIM)), scene.width, scene.glyphs)
    return rows


def _note(scene: Scene) -> list[Text]:
    return [line((fmt.clean(scene.note, " "), f"bold {WARN}"))] if scene.note else []


def _footer(scene: Scene) -> list[Text]:
    folder = fmt.clean(str(scene.header.get("folder") or ""), " ")
    hint = "" if scene.result or scene.state.stopping else "Ctrl-C saves a checkpoint and stops"
    left = line((f"{scene.glyphs.arrow} {folder}" if folder else "", DIM))
    return [spread(left, line((hint, DIM)), scene.width, scene.glyphs)]
