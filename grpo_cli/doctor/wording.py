"""Numbers as a sentence wants them."""

from __future__ import annotations


def number(value: float) -> str:
    """Three significant digits, without an exponent where one can do without.

    Example:
        >>> number(0.123456), number(1234.5), number(0.0), number(0.00001234)
        ('0.123', '1234', '0', '1.23e-05')
    """
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.3g}"
    return f"{value:.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


def percent(share: float) -> str:
    """A share in percent.

    Example:
        >>> percent(0.987), percent(0.005)
        ('99 %', '0.5 %')
    """
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 or not share else f"{share:.1%}".replace("%", " %")


def rate(value: float) -> str:
    """A learning rate as one writes it on a command line.

    Example:
        >>> rate(1e-5), rate(3.3e-4), rate(0.001)
        ('1e-5', '3e-4', '1e-3')
    """
    return f"{value:.0e}".replace("e-0", "e-").replace("e+00", "")
