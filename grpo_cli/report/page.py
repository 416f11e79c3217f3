"""The report as one HTML file that needs nothing else: style, script and data are inside, the network is shut out.

Everything a run recorded is foreign text (a model wrote the completions): it goes through `markup` here and becomes
text nodes in the script. A content security policy names the script and the style by their hashes, so that nothing
else could run or load even if something slipped through.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import grpo_cli
from grpo_cli.report import sections
from grpo_cli.report.browser import Packer, base64_text
from grpo_cli.report.charts import Chart
from grpo_cli.report.curves import Section
from grpo_cli.report.curves import sections as charts_of
from grpo_cli.report.formats import show
from grpo_cli.report.markup import Markup, el, join
from grpo_cli.report.read import Run
from grpo_cli.report.summary import summarise
from grpo_cli.report.svg import draw

ASSETS = Path(__file__).with_name("assets")
SCRIPTS = ("charts.js", "completions.js", "group.js", "browser.js")
LEAD_WIDTH, LEAD_HEIGHT = 548, 250


def run_page(run: Run, packer: Packer | None, *, live: bool = False, version: str = "") -> str:
    """The report on one run.

    Args:
        run: what its folder holds.
        packer: its completions; None leaves their browser out.
        live: the page is served: it looks for news, and fetches completions instead of holding them.
        version: what the page was made of, so that a live one knows when there is news.

    Returns:
        HTML.
    """
    grouped = charts_of(run)
    here = [("curves", "Curves"), ("findings", "Findings"), ("settings", "Settings"), ("provenance", "Provenance")]
    if packer and packer.count:
        here.insert(1, ("completions", "Completions"))
    live_note = el("span", "live", id="live", class_="soft small", role="status") if live else None
    told = sections.verdict(summarise(run))
    body = join(
        el("header", el("div", sections.which(run), live_note, id="which", data_live=live), navigation(here)),
        el("section", told, _findings_first(run), id="verdict", data_live=live, aria_label="Verdict"),
        el("div", curves_part(grouped, sections.time_per_phase(run)), id="curves", data_live=live),
        _browser(packer) if packer and packer.count else None,
        section("findings", "What the doctor found", sections.findings(run), live),
        section("settings", "Settings", sections.settings(run)),
        section("provenance", "Provenance", sections.provenance(run)),
    )
    return document(f"{run.config.get('name') or 'run'} / {run.name}", body, packer, live=live, version=version)


def document(
    title: str,
    body: Markup,
    packer: Packer | None,
    *,
    live: bool = False,
    version: str = "",
    scripts: Sequence[str] = SCRIPTS,
    styles: Sequence[str] = ("page.css",),
) -> str:
    """Put a body into a whole document, with style, script, policy and data.

    Args:
        title: of the window.
        body: what is in the page.
        packer: completions for the end of the page; None for none, and none are written into a live page.
        live: as in `run_page`.
        version: as in `run_page`.
        scripts: of the assets, in order.
        styles: likewise.
    """
    style = "\n".join(map(_asset, styles))
    script = "\n".join(_asset(name) for name in (*scripts, *(["live.js"] if live else [])))
    source = "'self'" if live else "'none'"
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; connect-src {source}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name_="color-scheme", content="light dark"),
        el("title", f"{title} – grpo-report"),
        el("style", Markup(style)),
    )
    page = el(
        "body",
        el("a", "Skip to the report", href="#report", class_="skip"),
        el(
            "div",
            el("main", body, id="report"),
            el("footer", f"Written by grpo-report {grpo_cli.__version__}. This file needs no network."),
            class_="shell",
        ),
        el("script", Markup(script)),
        # Last, so that everything above is there before the completions have been read.
        *([] if live or packer is None or not packer.count else _data(packer)),
    )
    return f"<!doctype html>\n{el('html', head, page, lang='en', data_version=version or None)}\n"


def _findings_first(run: Run) -> Markup | None:
    """A pointer to what the doctor warned of, where it did: the findings stand further down."""
    warned = [f for f in run.findings if f.get("severity") != "info"]
    if not warned:
        return None
    more = f" and {len(warned) - 1} more" if len(warned) > 1 else ""
    return el(
        "p", el("a", f"The doctor found: {warned[0].get('symptom')}{more}", href="#findings"), class_="told warning"
    )


def navigation(here: Sequence[tuple[str, str]]) -> Markup:
    """Links to the parts of the page: (anchor, text)."""
    links = [el("li", el("a", text, href=f"#{anchor}")) for anchor, text in here]
    return el("nav", el("ul", *links), aria_label="Parts of the report")


def section(anchor: str, title: str, content: Markup, live: bool = False) -> Markup:
    """One part of the page under its heading; a live one is put in anew when there is news."""
    return el(
        "section",
        el("h2", title, id=f"{anchor}-title"),
        content,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
        data_live=live,
    )


def curves_part(grouped: Sequence[Section], time: Markup | None = None) -> Markup:
    """All charts by question.

    Args:
        grouped: the charts.
        time: a last figure.
    """
    if not grouped:
        return el("p", "No curve yet: no training log and no evaluation was recorded.", class_="soft")
    parts = []
    for i, group in enumerate(grouped):
        last = time if i == len(grouped) - 1 else None
        figures = el("div", *(figure(c, lead=i == 0) for c in group.charts), last, class_="charts")
        parts.append(el("section", el("h2", group.title), figures, class_="lead" if i == 0 else None))
    return join(*parts)


def figure(chart: Chart, lead: bool = False) -> Markup:
    """One chart with its title, its legend (which tells the values) and how to read it.

    Args:
        chart: what to draw.
        lead: larger, on a screen that has the room.
    """
    entries = []
    for curve in chart.curves:
        key = el("span", class_=f"key s{curve.colour % 8}") if len(chart.curves) > 1 else None
        name = f"{curve.name} " if len(chart.curves) > 1 else None
        entries.append(el("span", key, name, el("b", show(curve.points[-1][1], chart.kind))))
    legend = el("p", *entries, el("span", f"step {chart.steps[1]:,}", class_="at"), class_="legend")
    drawing = draw(chart)
    if lead:
        drawing = join(draw(chart, LEAD_WIDTH, LEAD_HEIGHT, class_="wide"), draw(chart, class_="narrow"))
    note = " ".join(filter(None, (chart.meaning, chart.note)))
    return el(
        "figure",
        el("figcaption", el("h3", chart.title, *([" ", el("small", chart.unit)] if chart.unit else [])), legend),
        drawing,
        el("p", note, class_="meaning") if note else None,
        el("details", el("summary", "Values"), class_="values"),
        class_="chart",
        id=f"chart-{chart.key}",
    )


def _browser(packer: Packer) -> Markup:
    left = f" {packer.left_out:,} more are in the run folder; the page was kept small." if packer.left_out else ""
    return section(
        "completions",
        "Completions",
        join(
            el("p", f"{packer.count:,} completions, each with what it earned.{left}", class_="soft"),
            el("div", "Loading …", id="browser"),
            el("noscript", "The completions are shown by a script; this browser runs none."),
        ),
    )


def _data(packer: Packer) -> list[Markup]:
    index, parts = packer.packed()
    named = [("index", index), *((f"part-{i}", part) for i, part in enumerate(parts))]
    return [el("script", Markup(base64_text(d)), type="application/octet-stream", id=f"data-{n}") for n, d in named]


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
