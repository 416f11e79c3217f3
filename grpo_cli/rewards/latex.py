"""Parse one LaTeX formula as math-verify does, in about a third of the time.

Nearly all of math-verify's time goes into ANTLR's full prediction mode (LL). ANTLR's quick mode (SLL) "will
either return the same parse tree, or report a syntax error", as its documentation says, so it is tried first
and the full mode where it fails. The rest is math-verify's own code, called in its own order.
"""

from __future__ import annotations

from functools import cache
from typing import Any


def parse_formula(latex: str, normalization: Any) -> list[Any]:
    r"""What `math_verify.parse` makes of a text that is one formula and nothing else.

    Args:
        latex: the formula, without dollars; `\boxed{…}` around it is taken off.
        normalization: latex2sympy's `NormalizationConfig`.

    Returns:
        The SymPy expression, if it can be read, and the normalised LaTeX, if any is left.

    Example:
        >>> from latex2sympy2_extended import NormalizationConfig
        >>> parse_formula(r"\boxed{\frac{1}{2}}", NormalizationConfig(boxed="last"))
        [1/2, '\\frac{1}{2}']
        >>> parse_formula(r"\frac{1}{", NormalizationConfig())
        ['\\frac{1}{']
    """
    from latex2sympy2_extended.math_normalization import normalize_latex

    text = normalize_latex(latex, normalization)
    try:
        parsed = [_parse(text)]
    except Exception:  # math-verify takes any failure for "cannot be read", too
        parsed = []
    return [one for one in parsed if one is not None] + ([text] if text else [])


def _parse(text: str) -> Any:
    from math_verify.parser import get_last_eq

    try:
        return _convert(text)
    except Exception:
        # a = b = c: the last of it.
        last = get_last_eq(text)
        if last == text:
            raise
        return _convert(last)


def _convert(text: str) -> Any:
    from latex2sympy2_extended import latex2sympy
    from math_verify.grader import should_treat_as_complex

    is_real = not should_treat_as_complex(text)
    if (quick := _quick_parser()) is not None:
        try:
            return quick(is_real=is_real).parse(text)
        except Exception:  # a syntax error of the quick mode, or what the full mode will say again
            pass
    return latex2sympy(text, is_real=is_real, convert_degrees=False, normalization_config=None)


@cache
def _quick_parser() -> Any:
    """latex2sympy's converter with ANTLR in its quick mode; None where this release has none to build on."""
    try:
        from antlr4.atn.PredictionMode import PredictionMode
        from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy
    except ImportError:
        return None

    class QuickParser(_Latex2Sympy):
        def create_parser(self, latex_str: str) -> Any:
            parser = super().create_parser(latex_str)
            parser._interp.predictionMode = PredictionMode.SLL
            return parser

    return QuickParser
