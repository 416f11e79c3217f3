from __future__ import annotations

import pytest

from grpo_cli.display import text as fmt
from grpo_cli.display.layout import excerpt, fit, line
from grpo_cli.display.terminal import ASCII, UNICODE, glyphs_for


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (0, "0:00"), (12.4, "0:12"), (59.6, "1:00"), (3723, "1:02:03"), (273906, "3d 4:05:06")],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert fmt.duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.00"),
        (0.534, "0.53"),
        (-1.5, "-1.50"),
        (0.00012, "1e-4"),
        (12345.6, "12,346"),
        (float("nan"), "nan"),
    ],
)
def test_decimal(value: float, shown: str) -> None:
    assert fmt.decimal(value) == shown


def test_numbers_in_short() -> None:
    assert [fmt.short(v) for v in (0.4, 31.0, 0.01, 100.0, None)] == ["0.4", "31", "0.01", "100", "-"]
    assert [fmt.scientific(v) for v in (3e-4, 2.91e-4, 0.0, 1.0)] == ["3e-4", "2.91e-4", "0", "1e0"]
    assert [fmt.count(v) for v in (950, 125_000, 7.6e9)] == ["950", "125 k", "7.6 B"]


def test_foreign_text_cannot_steer_the_terminal() -> None:
    evil = "a\x1b[2Jb\x1b]0;title\x07c\x07\x9bd\r\ne\u202ef\u200b[red]g"
    shown = fmt.clean(evil)
    assert shown == "abc\ufffd\ufffdd\nef[red]g"
    assert fmt.clean("a\nb", " ") == "a b"


def test_message_text() -> None:
    assert fmt.message_text([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]) == "u"
    assert fmt.message_text([{"role": "user", "content": [{"type": "text", "text": "t"}]}]) == "t"
    assert fmt.message_text(None) == "" and fmt.message_text("p") == "p"


def test_a_chart_keeps_every_bar_visible_and_leaves_gaps_for_nan() -> None:
    assert fmt.chart([0.0, 0.5, 1.0, float("nan")], 1, 0.0, 1.0, UNICODE.levels) == ["▁▄█ "]
    assert fmt.chart([0.0, 1.0], 2, 0.0, 1.0, UNICODE.levels) == [" █", "▁█"]
    assert fmt.buckets([1, 2, 3, 4], 2) == [1.5, 3.5]
    assert fmt.buckets([1, 2], 5) == [1, 2]
    assert len(fmt.buckets(range(1000), 37)) == 37


def test_an_excerpt_keeps_the_beginning_and_the_last_line() -> None:
    text = "\n".join(f"line {i}" for i in range(20))
    assert excerpt(text, 40, 4, UNICODE) == ["line 0", "line 1", "⋮ 17 more lines", "line 19"]
    assert excerpt("", 40, 3, UNICODE) == [""]


def test_a_cut_counts_cells_and_not_characters() -> None:
    assert fit(line("日本語日本語"), 7, UNICODE).cell_len <= 7
    assert fit(line("abcdef"), 5, ASCII).plain == "ab..."
    assert fit(line("abc"), 5, UNICODE, pad=True).plain == "abc  "


def test_glyphs_follow_the_encoding() -> None:
    assert glyphs_for("UTF-8") is UNICODE and glyphs_for("utf8") is UNICODE
    assert glyphs_for("ANSI_X3.4-1968") is ASCII and glyphs_for(None) is ASCII
    assert glyphs_for("utf-8", "linux") is ASCII
    "".join(getattr(ASCII, name) for name in ASCII.__dataclass_fields__).encode("ascii")
