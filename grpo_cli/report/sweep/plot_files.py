"""The plots of a sweep as files for papers: the page's drawings with their colours inside, on white."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grpo_cli.report.export import write_drawings
from grpo_cli.report.markup import Markup, el, join
from grpo_cli.report.sweep.plots import LEVELS, Plot


def export_plots(drawn: Sequence[Plot], format_: str, directory: Path) -> list[Path]:
    """Write each plot to a file of its own.

    Args:
        drawn: the plots.
        format_: svg, png or pdf.
        directory: where; made where missing.

    Raises:
        ConfigError: the format is unknown, or what makes it is not installed.
    """
    return write_drawings([(plot.key, standalone(plot)) for plot in drawn], format_, directory)


def standalone(plot: Plot) -> str:
    """A plot as an SVG file: colours inside, on white."""
    drawing = plot.drawing.partition("</svg>")[0] + "</svg>"  # the wide one, where there are two
    start, rest = drawing.split(">", 1)
    width, height = (float(v) for v in start.split('viewBox="0 0 ')[1].split('"')[0].split())
    style = (
        "text{font-family:Helvetica,Arial,sans-serif;font-size:11px;fill:#475569}.title{font-size:15px;font-weight:bold}"
        ".grid,.axis{stroke:#e2e8f0;fill:none}.axis{stroke:#94a3b8}.line path{fill:none;stroke-width:1.2}"
        ".so-far{fill:none;stroke:#94a3b8;stroke-dasharray:4 3}.line.best path{stroke-width:2.6}.halo{fill:#0f172a}"
    )
    for level in range(LEVELS):
        share = level / (LEVELS - 1)
        red, green, blue = (round(a + (b - a) * share) for a, b in ((203, 11), (213, 107), (225, 203)))
        colour = f"rgb({red},{green},{blue})"
        style += f".dot.v{level} circle{{fill:{colour}}}.line.v{level} path{{stroke:{colour}}}"
    style += ".dot.pruned circle{fill:#fff;stroke:#94a3b8}.line.pruned path{stroke-dasharray:2 3}"
    style += ".best circle{fill:#c2410c!important}.best path{stroke:#c2410c!important}"
    head = join(el("style", Markup(style)), el("rect", width="100%", height="100%", fill="#ffffff"))
    title = el("text", plot.title, x=10, y=22, class_="title")
    attributes = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height + 34:g}" width="{width:g}"'
    body = rest.rpartition("</svg>")[0]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg {attributes} height="{height + 34:g}">{head}{title}<g transform="translate(0 34)">{body}</g></svg>\n'
    )
