"""Numbers, durations, settings and foreign text as a terminal can show them."""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any

# Whole escape sequences go; what is left of control characters is replaced one by one.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def clean(text: str) -> str:
    """Make foreign text (a model wrote it) harmless: no escape, control or direction character is left."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\t", "    ")
    kept = []
    for char in text:
        if char == "\n" or char.isprintable():
            kept.append(char)
        elif unicodedata.category(char) in ("Zs", "Zl", "Zp"):
            kept.append(" ")
        elif unicodedata.category(char) == "Cf":
            continue  # zero-width and direction marks
        else:
            kept.append("\N{REPLACEMENT CHARACTER}")
    return "".join(kept)


def message_text(value: Any) -> str:
    """Text of a prompt or completion, plain or conversational (then of its last message)."""
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, dict):
        value = value.get("content", "")
    if isinstance(value, list):  # multimodal content: its text parts
        value = " ".join(str(p.get("text", "")) for p in value if isinstance(p, dict))
    return "" if value is None else str(value)


def one_line(value: Any) -> str:
    """Anything as harmless text on one line, with single blanks."""
    return " ".join(clean(str(value)).split())


def setting(value: Any) -> str:
    """A config value as it is written in YAML: `null`, `true`, `3`."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else one_line(value)


def header_facts(header: dict[str, Any]) -> list[str]:
    """What a run is made of, as far as the header says: `model embedded`, `rewards exact_match + format`."""
    rewards = header.get("rewards") or ""
    facts = {
        "model": header.get("model"),
        "dataset": header.get("dataset"),
        "rewards": rewards if isinstance(rewards, str) else " + ".join(map(str, rewards)),
    }
    return [f"{name} {one_line(value)}" for name, value in facts.items() if value]


def decimal(value: float | None, places: int = 2) -> str:
    """A metric for people: `0.53`, `1.2e-04`, `12,345`, `nan`; a dash for None."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size >= 10_000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    if size and size < 0.5 * 10**-places:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e+")
    return f"{value:.{places}f}"


def short(value: float | None) -> str:
    """As `decimal`, without trailing zeros: `0.4`, `31`, `0.01`."""
    text = decimal(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def scientific(value: float | None) -> str:
    """A learning rate as it is written in a config: `3e-4`, `2.91e-4`."""
    if value is None:
        return "-"
    if not value or not math.isfinite(value):
        return f"{value:g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def count(value: float | None) -> str:
    """A large count in short: `950`, `125 k`, `7.6 B`."""
    if value is None:
        return "-"
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """Seconds as `0:12`, `1:02:03`, `3d 4:05:06`; a dash for None."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    minutes, sec = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}:{minutes:02}:{sec:02}"
    return f"{hours}:{minutes:02}:{sec:02}" if hours else f"{minutes}:{sec:02}"


def signed(value: float) -> str:
    """A difference with its sign: `+0.52`."""
    return f"{value:+.2f}"


def margin(half_width: float | None) -> str:
    """How sure a difference is, behind it: ` ±0.04`; nothing where that is not known."""
    return "" if half_width is None else f" ±{decimal(half_width)}"
