"""Numbers as people read them, each kind with its unit; the page's script does the same (charts.js)."""

from __future__ import annotations

import math

PERCENT, NUMBER, SCIENTIFIC, COUNT, SECONDS = "percent", "number", "scientific", "count", "seconds"
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"


def show(value: float | None, kind: str = NUMBER) -> str:
    """A value with its unit: `5.1 %`, `0.379`, `5e-4`, `1,992`, `0.72 s`; a dash for None.

    Args:
        value: the number.
        kind: percent (of a share), number, scientific, count or seconds.
    """
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else f"{MINUS if value < 0 else ''}∞"
    if kind == PERCENT:
        return f"{_fixed(100 * value, 1)}{THIN}%"
    if kind == COUNT:
        return _count(value)
    if kind == SECONDS:
        return f"{plain(value)}{THIN}s" if abs(value) < 120 else duration(value)
    if kind == SCIENTIFIC and value:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}".replace("-", MINUS)
    return plain(value)


def plain(value: float) -> str:
    """A number in three digits: `0.379`, `12.3`, `1,234`, `1.2e−5`."""
    size = abs(value)
    if size >= 1000:
        text = f"{value:,.0f}"
    elif size and size < 0.001:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    else:
        places = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
        return _fixed(value, places)
    return text.replace("-", MINUS)


def change(value: float, kind: str = NUMBER) -> str:
    """A difference with its sign; of shares in percentage points: `+94.9 points`."""
    sign = "+" if value > 0 else ""
    if kind == PERCENT:
        text = _fixed(100 * value, 1)
        return f"{sign if text != '0' else '±'}{text} points"
    return f"{sign}{show(value, kind)}"


def capital(text: str) -> str:
    """A text with a capital at its start, the rest as it is."""
    return text[:1].upper() + text[1:]


def duration(seconds: float | None) -> str:
    """Seconds in words: `48 s`, `2 min 10 s`, `3 h 05 min`."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}{THIN}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}{THIN}min {rest}{THIN}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{THIN}h {minutes:02}{THIN}min"


def _count(value: float) -> str:
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scale = 1e3 if unit == "k" else limit
            return f"{value / scale:.3g}{THIN}{unit}".replace("-", MINUS)
    return f"{value:,.0f}".replace("-", MINUS)


def _fixed(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return ("0" if text in ("-0", "") else text).replace("-", MINUS)
