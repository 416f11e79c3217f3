"""The parts of the page that are text and tables: verdict, findings, settings, provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grpo_cli.report.formats import PERCENT, capital, duration, show
from grpo_cli.report.markup import Markup, breakable, el, join
from grpo_cli.report.phases import phases
from grpo_cli.report.read import Run
from grpo_cli.report.settings import compare_to_defaults, shown
from grpo_cli.report.summary import BAD, GOOD, NEUTRAL, WARNING, Summary
from grpo_cli.report.svg import WIDTH

SEVERITY = {"error": BAD, "warning": WARNING, "info": NEUTRAL}
STATUS = {"completed": GOOD, "failed": BAD, "interrupted": WARNING}


def which(run: Run) -> Markup:
    """What the run is, in one line: name, status, what it is made of."""
    made = made_of(run)
    return join(
        el(
            "div",
            el("h1", f"{run.config.get('name') or 'run'} / {run.name}"),
            el("span", run.status, class_=f"pill {STATUS.get(run.status, NEUTRAL)}"),
            class_="which",
        ),
        el("p", " · ".join(made), class_="soft") if made else None,
    )


def made_of(run: Run) -> list[str]:
    """Model, data and rewards of a run, in words."""
    config = run.config
    model, dataset, reward = (config.get(k) for k in ("model", "dataset", "reward"))
    parts = []
    if isinstance(model, dict) and model.get("name"):
        parts.append(f"model {model['name']}")
    if isinstance(dataset, dict):
        source = dataset.get("path") or str(dataset.get("generator") or "").rpartition(":")[2]
        parts += [f"data {source}"] if source else []
    if isinstance(reward, dict) and reward:
        parts.append(f"reward{'s' * (len(reward) > 1)} {' + '.join(map(str, reward))}")
    return parts


def verdict(summary: Summary) -> Markup:
    """The verdict and the numbers to see first."""
    said = el(
        "div",
        el("h2", summary.headline),
        el("p", " ".join(summary.sentences)) if summary.sentences else None,
        class_=f"verdict {summary.level}",
    )
    facts = [
        el("div", el("dt", fact.label), el("dd", fact.value, el("small", fact.note) if fact.note else None))
        for fact in summary.facts
    ]
    return join(said, el("dl", *facts, class_="facts") if facts else None)


def findings(run: Run) -> Markup:
    """What the doctor found, each with its evidence and what to try."""
    if not run.findings:
        return el("p", "The doctor recorded no finding.", class_="soft")
    return el("ol", *(_finding(f) for f in run.findings), class_="findings")


def _finding(finding: Mapping[str, Any]) -> Markup:
    severity = _text(finding.get("severity")) or "warning"
    symptom = _text(finding.get("symptom"))
    about = f" · {finding['about']}" if finding.get("about") else ""
    tries = finding.get("try") or []
    tries = tries if isinstance(tries, list) else [tries]
    return el(
        "li",
        el(
            "h3",
            el("span", severity, class_=f"pill {SEVERITY.get(severity, WARNING)}"),
            f" {capital(symptom)} ",
            el("span", f"step {_text(finding.get('step'))} · {_text(finding.get('rule'))}{about}", class_="soft small"),
        ),
        el("p", _text(finding.get("evidence"))) if finding.get("evidence") else None,
        el("p", f"Likely cause: {_text(finding['cause'])}", class_="soft") if finding.get("cause") else None,
        el("p", "Try ", *_spaced(el("code", _text(t)) for t in tries)) if tries else None,
        class_="card",
    )


def time_per_phase(run: Run) -> Markup | None:
    """One bar for the time of the run, divided by what it was spent on, and the same as a table."""
    parts = phases(run)
    total = sum(seconds for _, seconds in parts)
    if not total:
        return None
    at, bars, rows = 0.0, [], []
    for i, (name, seconds) in enumerate(parts):
        width = WIDTH * seconds / total
        colour = f"s{i % 8}"
        bars.append(el("rect", x=f"{at:.1f}", y=0, width=f"{max(0.5, width - 1):.1f}", height=22, rx=3, class_=colour))
        at += width
        rows.append(
            el(
                "tr",
                el("th", el("span", class_=f"key {colour}"), name, scope="row"),
                el("td", duration(seconds) if seconds >= 1 else show(seconds, "seconds"), class_="number"),
                el("td", show(seconds / total, PERCENT), class_="number"),
            )
        )
    told = ", ".join(f"{name} {show(seconds / total, PERCENT)}" for name, seconds in parts)
    bar = el("svg", *bars, viewBox=f"0 0 {WIDTH} 22", role="img", aria_label=f"Time per phase: {told}.", class_="bar")
    title = el("figcaption", el("h3", "Time per phase"), el("p", f"{duration(total)} in all", class_="legend"))
    return el(
        "figure",
        title,
        bar,
        el("table", el("caption", "Time per phase", class_="hidden"), el("tbody", *rows)),
        class_="chart",
        id="chart-phases",
    )


def settings(run: Run) -> Markup:
    """The command, what differs from the defaults, and below all settings."""
    if not run.config:
        return el("p", "No configuration was recorded.", class_="soft")
    every = compare_to_defaults(run.config)
    changed = [s for s in every if s.differs]
    command = " ".join(["grpo-train", *run.overrides])
    if changed:
        rows = [[breakable(s.key), s.value, s.default] for s in changed]
        told = table(["setting", "this run", "default"], rows, "What differs from the defaults")
    else:
        told = el("p", "Every setting is at its default.", class_="soft")
    whole = table(["setting", "value"], [[breakable(s.key), s.value] for s in every], "All settings")
    return join(
        el("pre", command, class_="command"),
        el("div", told, class_="card"),
        el("details", el("summary", "All settings"), el("div", whole, class_="card"), class_="small"),
    )


def provenance(run: Run) -> Markup:
    """Where the run comes from: code, packages, machine, data, rewards, and what every `auto` became."""
    held = run.provenance
    if not held:
        return el("p", "No provenance was recorded.", class_="soft")
    code = held.get("git") if isinstance(held.get("git"), dict) else None
    commit = "no repository" if not code else f"{str(code.get('sha'))[:12]}{', with changes' * bool(code.get('dirty'))}"
    machine = _dict(held.get("hardware"))
    gpus = [_text(g.get("name") if isinstance(g, dict) else g) for g in machine.get("gpus") or []]
    memory = machine.get("memory_bytes")
    data = _dict(held.get("data"))
    origin: list[list[Any]] = [
        ["started", run.result.get("started") or held.get("created")],
        ["finished", run.result.get("finished")],
        ["attempts", run.result.get("attempts")],
        ["command", " ".join(map(str, held.get("command") or []))],
        ["folder", held.get("working_directory")],
        ["commit", commit],
        ["processor", f"{machine.get('cpu')}, {machine.get('cores')} cores" if machine.get("cpu") else None],
        ["memory", f"{memory / 2**30:.0f} GiB" if isinstance(memory, int | float) else None],
        ["GPUs", ", ".join(gpus) or "none"],
        ["processes", held.get("world_size")],
    ]
    rows = [
        [name, f"{part.get('rows'):,} rows" if isinstance(part.get("rows"), int) else "", part.get("fingerprint")]
        for name in ("train", "test")
        if (part := _dict(data.get(name)))
    ]
    sources = [[n, r.get("target"), str(r.get("sha256") or "")[:12]] for n, r in _dict(held.get("rewards")).items()]
    autos = [
        [breakable(k), shown(_dict(v).get("value")), _dict(v).get("why")]
        for k, v in _dict(held.get("resolved")).items()
    ]
    cards = [
        ("Origin", table(None, [r for r in origin if r[1] not in (None, "")], "Origin")),
        ("Versions", table(None, [[k, v] for k, v in _dict(held.get("packages")).items()], "Versions")),
        ("Data", table(["part", "size", "fingerprint"], rows, "Data") if rows else None),
        ("Rewards", table(["name", "function", "SHA-256"], sources, "Rewards") if sources else None),
        ("What auto became", table(["setting", "value", "because"], autos, "auto") if autos else None),
    ]
    return el("div", *(el("div", el("h3", t), c, class_="card") for t, c in cards if c is not None), class_="two")


def table(head: Sequence[str] | None, rows: Iterable[Sequence[Any]], caption: str) -> Markup:
    """A table whose first column names the rows."""
    body = [el("tr", el("th", _cell(r[0]), scope="row"), *(el("td", _cell(c)) for c in r[1:])) for r in rows]
    top = el("thead", el("tr", *(el("th", name, scope="col") for name in head))) if head else None
    return el("table", el("caption", caption, class_="hidden"), top, el("tbody", *body))


def _spaced(items: Iterable[Markup]) -> list[object]:
    return [part for item in items for part in (item, " ")]


def _cell(value: object) -> object:
    return value if isinstance(value, Markup) else _text(value)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
