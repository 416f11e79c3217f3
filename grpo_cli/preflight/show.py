"""Numbers as a person reads them."""

from __future__ import annotations


def size(number: float) -> str:
    """Bytes in the unit that suits them.

    Example:
        >>> size(500), size(1.5 * 2**20), size(80 * 2**30)
        ('500 B', '1.5 MiB', '80 GiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(number) < 1024 or unit == "TiB":
            return f"{number:.0f} {unit}" if number >= 100 or number == int(number) else f"{number:.1f} {unit}"
        number /= 1024
    raise AssertionError


def count(number: float) -> str:
    """A number with separators; large ones in words.

    Example:
        >>> count(4096), count(3_276_800)
        ('4,096', '3.28 million')
    """
    if number >= 1e9:
        return f"{number / 1e9:.2f} billion"
    return f"{number / 1e6:.2f} million" if number >= 1e6 else f"{number:,.0f}"


def process(number: int) -> str:
    """'1 process', '2 processes'."""
    return f"{number} process{'es' * (number > 1)}"


def duration(seconds: float) -> str:
    """Seconds as a person reads them.

    Example:
        >>> duration(0.164), duration(42), duration(200), duration(7000), duration(200_000)
        ('0.16 s', '42 s', '3 min 20 s', '1 h 56 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    for unit, part, long in (("min", "s", 60), ("h", "min", 3600), ("d", "h", 86400)):
        if seconds < {"min": 3600, "h": 86400}.get(unit, float("inf")):
            whole = int(seconds // long)
            rest = int((seconds - whole * long) // {"min": 1, "h": 60, "d": 3600}[unit])
            return f"{whole} {unit} {rest} {part}" if rest else f"{whole} {unit}"
    raise AssertionError
