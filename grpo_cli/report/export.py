"""The charts as files for papers: SVG by our own drawing, PNG and PDF made from that SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from grpo_cli.errors import ConfigError
from grpo_cli.report.charts import Chart
from grpo_cli.report.svg import standalone
from grpo_cli.runs.jsonl import write_atomic

FORMATS = ("svg", "png", "pdf")
PNG_SCALE = 2.5
"""A 640-pixel drawing becomes 1600 pixels wide: 300 dots an inch over a column of 13.5 cm."""


def export(charts: Sequence[Chart], format_: str, directory: Path) -> list[Path]:
    """Write each chart to a file of its own, named after it.

    Args:
        charts: what to draw.
        format_: svg, png or pdf.
        directory: where; made where missing.

    Returns:
        The files.

    Raises:
        ConfigError: the format is unknown, or what makes it is not installed.
    """
    return write_drawings([(chart.key, standalone(chart)) for chart in charts], format_, directory)


def write_drawings(drawings: Sequence[tuple[str, str]], format_: str, directory: Path) -> list[Path]:
    """Write drawings that are SVG files in one of the formats.

    Args:
        drawings: each one's name and its SVG.
        format_: svg, png or pdf.
        directory: where; made where missing.

    Returns:
        The files.

    Raises:
        ConfigError: the format is unknown, or what makes it is not installed.
    """
    if format_ not in FORMATS:
        raise ConfigError(f"plots={format_} is not known; write plots=svg, plots=png or plots=pdf")
    convert = None if format_ == "svg" else _converter(format_)
    directory.mkdir(parents=True, exist_ok=True)
    files = []
    for name, text in drawings:
        path = directory / f"{name}.{format_}"
        if convert is None:
            write_atomic(path, text)
        else:
            path.write_bytes(convert(text))
        files.append(path)
    return files


def _converter(format_: str) -> Callable[[str], bytes]:
    """What turns SVG into PNG or PDF."""
    try:
        import cairosvg
    except ImportError as error:
        raise ConfigError(
            f"plots={format_} needs CairoSVG; write pip install 'grpo-train[report]', or plots=svg, which needs nothing"
        ) from error
    except OSError as error:  # the Python package is there, the C library is not
        raise ConfigError(
            f"plots={format_} needs the cairo library, which this system lacks; install it (Debian: libcairo2), or "
            "write plots=svg, which needs nothing"
        ) from error
    if format_ == "pdf":
        return lambda text: cairosvg.svg2pdf(bytestring=text.encode())
    return lambda text: cairosvg.svg2png(bytestring=text.encode(), scale=PNG_SCALE)
