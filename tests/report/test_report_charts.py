"""Charts: what a run has, what is drawn, what is left out."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from recorded import record_run

import grpo_cli.report
from grpo_cli.errors import ConfigError
from grpo_cli.report import formats
from grpo_cli.report.charts import MOST_POINTS, Chart, Curve, Draft, condensed, ticks, value_range
from grpo_cli.report.curves import compared, sections, throughput
from grpo_cli.report.export import export
from grpo_cli.report.read import read_run
from grpo_cli.report.svg import PALETTE, draw, standalone


def test_a_run_has_every_chart_it_has_data_for(tmp_path):
    charts = {c.key: c for s in sections(read_run(record_run(tmp_path / "run"))) for c in s.charts}
    assert list(charts) == [
        *(
            "held-out",
            "samples-held-out",
            "by-held-out-level",
            "reward",
            "zero-variance",
            "entropy",
            "kl",
            "clip-ratio",
        ),
        *("grad-norm", "learning-rate", "loss", "length", "truncated", "throughput", "step-time"),
    ]
    assert [c.name for c in charts["reward"].curves] == ["weighted sum", "exact_match", "format"]
    assert [c.name for c in charts["by-held-out-level"].curves] == ["easy", "hard"]
    assert charts["held-out"].curves[0].points[-1] == pytest.approx((20, 0.9, 0.85, 0.95))
    assert charts["throughput"].curves[0].points[3][1] == pytest.approx(2000)


def test_an_empty_run_has_none(tmp_path):
    assert sections(read_run(tmp_path)) == []


def test_throughput_counts_the_steps_between_two_logs():
    logs = [{"step": 5, "num_tokens": 500, "step_time": 0.5}, {"step": 15, "num_tokens": 2500, "step_time": 2.0}]
    assert throughput(logs) == [(5, 200.0), (15, 100.0)]
    assert throughput([{"step": 5, "num_tokens": 500}]) == []


def test_what_is_no_number_is_a_gap_and_is_told():
    chart = Draft("x", "X").add("x", [(1, 1.0), (2, math.nan), (3, math.inf), (4, 2.0)]).chart()
    assert [p[0] for p in chart.curves[0].points] == [1, 4]
    assert chart.note == "Not a number at steps 2, 3."
    assert Draft("x", "X").add("x", [(1, math.nan)]).chart() is None


def test_a_long_curve_keeps_its_ends_its_mean_and_its_range():
    points = [(i, float(i % 7), None, None) for i in range(10_000)]
    short = condensed(points)
    assert len(short) == MOST_POINTS
    assert (short[0], short[-1]) == (points[0], points[-1])
    assert {p[2] for p in short[1:-1]} == {0.0} and {p[3] for p in short[1:-1]} == {6.0}
    assert all(abs(p[1] - 3) < 0.2 for p in short[1:-1])


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 0.0005), (-3, 12), (99.5, 100), (0, 1e9), (0.1, 0.1001), (-1e-9, 0), (0, 3e-17)]
)
def test_ticks_are_round_and_span_the_values(low, high):
    marks = ticks(low, high)
    assert 2 <= len(marks) <= 9
    assert marks[0] <= low + 1e-9 * (high - low) and marks[-1] >= high - 1e-9 * (high - low)


def test_shares_are_seen_against_the_whole():
    curve = Curve("a", [(0, 0.5, None, None), (1, 0.6, None, None)])
    assert value_range(Chart("a", "a", [curve], whole=True)) == (0, 1)
    rounded = Curve("a", [(0, 0.4, None, None), (1, 0.4 + 1e-16, None, None), (2, 0.4 - 1e-16, None, None)])
    assert value_range(Chart("a", "a", [rounded])) == (pytest.approx(0.2), pytest.approx(0.6))
    flat = Curve("a", [(0, 0.0, None, None), (1, 0.0, None, None)])
    assert value_range(Chart("a", "a", [flat])) == (0, 1)


def test_every_drawing_is_xml_with_all_points_inside(tmp_path):
    for section in sections(read_run(record_run(tmp_path / "run"))):
        for chart in section.charts:
            for text in (draw(chart), standalone(chart)):
                root = ElementTree.fromstring(text)
                _, _, width, height = map(float, root.get("viewBox").split())
                for circle in root.iter():
                    if circle.tag.endswith("circle"):
                        assert 0 <= float(circle.get("cx")) <= width and 0 <= float(circle.get("cy")) <= height


def test_one_run_has_one_colour_in_all_charts(tmp_path):
    runs = [("a", read_run(record_run(tmp_path / "a", every=None))), ("b", read_run(record_run(tmp_path / "b")))]
    for section in compared(runs):
        for chart in section.charts:
            assert {(c.name, c.colour) for c in chart.curves} <= {("a", 0), ("b", 1)}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_colours_stand_out_in_light_and_in_dark():
    style = (Path(grpo_cli.report.__file__).with_name("assets") / "page.css").read_text(encoding="utf-8")
    light, dark = [
        dict(re.findall(r"--([\w]+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    assert tuple(light[f"s{i}"] for i in range(8)) == PALETTE
    for colours in (light, dark):
        words = [*(f"s{i}" for i in range(8)), "ink", "soft", "good", "bad", "warning", "neutral"]
        for word in words:
            assert contrast(colours[word], colours["card"]) >= 4.5, word
            assert contrast(colours[word], colours["page"]) >= 4.5, word


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.05078, "percent", "5.1\u202f%"),
        (1.0, "percent", "100\u202f%"),
        (5.556e-06, "scientific", "5.56e−6"),
        (0.37949, "number", "0.379"),
        (12345.6, "number", "12,346"),
        (-0.0004, "number", "−4e−4"),
        (2e6, "count", "2\u202fM"),
        (0.7169, "seconds", "0.717\u202fs"),
        (math.nan, "number", "not a number"),
        (None, "number", "–"),
    ],
)
def test_numbers_have_units_and_few_digits(value, kind, text):
    assert formats.show(value, kind) == text


def test_plots_are_files(tmp_path):
    charts = [c for s in sections(read_run(record_run(tmp_path / "run"))) for c in s.charts]
    files = export(charts, "svg", tmp_path / "plots")
    assert [f.stem for f in files] == [c.key for c in charts]
    assert all(ElementTree.parse(f).getroot().tag == "{http://www.w3.org/2000/svg}svg" for f in files)
    with pytest.raises(ConfigError, match="plots=jpg is not known; write plots=svg, plots=png or plots=pdf"):
        export(charts, "jpg", tmp_path)


@pytest.mark.parametrize(("format_", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_plots_as_png_and_pdf_or_a_sentence(tmp_path, format_, start):
    chart = Chart("x", "X", [Curve("a", [(0, 0.5, 0.4, 0.6), (1, 0.6, 0.5, 0.7)])])
    try:
        import cairosvg  # noqa: F401
    except (ImportError, OSError):
        with pytest.raises(ConfigError, match="or plots=svg, which needs nothing"):
            export([chart], format_, tmp_path)
        return
    (file,) = export([chart], format_, tmp_path)
    assert file.read_bytes().startswith(start)
