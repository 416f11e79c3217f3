"""The quick parser gives what math-verify's own gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.math_completions import math_completions
from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse
from sympy import srepr

from grpo_cli.rewards.latex import _quick_parser, parse_formula

FORMULAS = [
    *("5", "-5", "1,234", "12.50", ".5", "0.5", "2/3", r"\frac{2}{3}", r"\frac23", r"-\dfrac{1}{2}", r"1\frac{1}{2}"),
    *("x", "xy", "2x+1", "x^2 - 3x + 2", "(x+1)(x-2)", r"2\sqrt{3}", r"\sqrt[3]{2}", r"\sqrt2", "a_1 + a_{12}", "n!"),
    *("x=5", "x = y = 3", "x=1, y=2", "x < 3", r"1 \le x < 2", r"x \neq 0", "y = mx + b", r"a \equiv 2 \pmod{5}"),
    *("(1, 2)", "(1,2,3)", "[0, 1)", r"\left(-\infty, 3\right]", r"\{1, 2\}", r"\{ \}", r"\emptyset", "1, 2, 3", "1,2"),
    *(r"[0,1] \cup (2,3)", r"\mathbb{R}", r"\mathbb{R} \setminus \{0\}", r"x \in [0, 1]", r"\{x | x > 0\}"),
    *(
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
        r"\begin{bmatrix} 1 \\ 2 \end{bmatrix}",
        r"\left|\begin{matrix}1\end{matrix}\right|",
    ),
    *(
        r"\pi",
        r"2\pi r",
        r"\sin x",
        r"\sin^2 x + \cos^2 x",
        r"\log_2 8",
        r"\ln e",
        "e^{i\\pi}",
        "3+4i",
        r"|x|",
        r"\infty",
    ),
    *(
        r"\int_0^1 x dx",
        r"\sum_{k=1}^{n} k",
        r"\lim_{x \to 0} x",
        r"\binom{5}{2}",
        r"\lfloor x \rfloor",
        "f(x)",
        "P(A|B)",
    ),
    *(
        r"50\%",
        "50%",
        r"30^\circ",
        r"5 \text{ cm}",
        r"5\,\mathrm{m}",
        r"\text{Monday}",
        r"\text{(A)}",
        "A",
        r"\text{yes}",
    ),
    *("10^{10}", "2^{2^{2}}", "1e5", "1.5 \\times 10^3", "1:2", "3 : 4", "12_{10}", r"\overline{AB}", r"\angle ABC"),
    *(
        "",
        " ",
        "?",
        "\\",
        "{",
        "}",
        r"\frac{1}",
        r"\frac{1}{0}",
        "(((",
        "1 +",
        "+ 1",
        "=",
        r"\sqrt{}",
        "1;2",
        "x y z",
        "½",
    ),
]


def written(parsed):
    return [part if isinstance(part, str) else srepr(part) for part in parsed]


def test_the_quick_parser_is_in_use():
    assert _quick_parser() is not None


@pytest.mark.parametrize("formula", FORMULAS)
def test_as_an_answer_in_a_box(formula):
    config = NormalizationConfig(units=True)
    theirs = parse(
        rf"\boxed{{{formula}}}",
        extraction_config=[LatexExtractionConfig(normalization_config=config, boxed_match_priority=0)],
        extraction_mode="first_match",
        parsing_timeout=None,
    )

    assert written(parse_formula(rf"\boxed{{{formula}}}", replace(config, boxed="last"))) == written(theirs)


@pytest.mark.parametrize("formula", [formula for formula in FORMULAS if formula.strip()])
def test_as_a_right_answer_in_dollars(formula):
    theirs = written(parse(f"${formula}$", parsing_timeout=None))
    ours = written(parse_formula(formula, LatexExtractionConfig().normalization_config))

    # Where the formula cannot be read, math-verify goes on to look for a plain number; so does the reward then.
    assert ours == theirs or len(ours) < 2


def test_on_the_answers_of_ordinary_completions():
    config = LatexExtractionConfig().normalization_config
    for gold in {item.gold for item in math_completions(problems=44, per_problem=1, seed=5)}:
        assert written(parse_formula(gold.strip("$"), config)) == written(parse(gold, parsing_timeout=None))
