from __future__ import annotations

import pytest

from grpo_cli.display import formatting as fmt


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
    assert fmt.one_line("a\n  b\t") == "a b"


def test_message_text() -> None:
    assert fmt.message_text([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]) == "u"
    assert fmt.message_text([{"role": "user", "content": [{"type": "text", "text": "t"}]}]) == "t"
    assert fmt.message_text(None) == "" and fmt.message_text("p") == "p"


def test_settings_are_written_as_in_yaml() -> None:
    assert [fmt.setting(v) for v in (None, True, 3, "a\nb")] == ["null", "true", "3", "a b"]


def test_the_header_names_what_it_knows() -> None:
    assert fmt.header_facts({"model": "m", "rewards": ["a", "b"]}) == ["model m", "rewards a + b"]
    assert fmt.header_facts({}) == []
