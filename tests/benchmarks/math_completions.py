"""512 ordinary maths completions with their right answers: what a reward sees in a batch of training.

64 problems, eight completions each, as GRPO samples them: worked out in a few hundred to two thousand
characters, the answer in a box or named as the final answer, right in about half of the cases. The
golds are integers, decimals, fractions, roots, expressions, tuples, sets and intervals.

The same seed always gives the same completions, so that two rewards are timed on the same work.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class MathCompletion:
    """One completion.

    Attributes:
        text: what the model wrote.
        gold: the right answer, as data sets write it.
        right: whether the completion was written with a right answer.
    """

    text: str
    gold: str
    right: bool


def math_completions(problems: int = 64, per_problem: int = 8, seed: int = 0) -> list[MathCompletion]:
    """Write `problems` × `per_problem` completions, those of one problem next to each other."""
    rng = random.Random(seed)
    made = []
    for number in range(problems):
        kind = _KINDS[number % len(_KINDS)]
        gold, same, wrong = kind(rng)
        for _ in range(per_problem):
            right = rng.random() < 0.5
            answer = rng.choice(same) if right else rng.choice(wrong)
            made.append(MathCompletion(_worked_out(rng, answer), f"${gold}$", right))
    return made


def _integer(rng):
    n = rng.randint(-400, 9000)
    return str(n), [str(n)], [str(n + 1), str(n - 10), str(-n - 3)]


def _decimal(rng):
    n = rng.randint(11, 9999) / 100
    return f"{n:.2f}", [f"{n:.2f}"], [f"{n + 0.5:.2f}", f"{n * 10:.2f}"]


def _fraction(rng):
    below = rng.choice([3, 7, 9, 11, 13])
    above = rng.randint(1, below - 1)
    same = [rf"\frac{{{above}}}{{{below}}}", rf"\dfrac{{{above * 2}}}{{{below * 2}}}", f"{above}/{below}"]
    return same[0], same, [rf"\frac{{{above + 1}}}{{{below}}}", rf"\frac{{{below}}}{{{above}}}"]


def _root(rng):
    a, b = rng.randint(2, 9), rng.choice([2, 3, 5, 7])
    same = [rf"{a}\sqrt{{{b}}}", rf"\sqrt{{{a * a * b}}}"]
    return same[0], same, [rf"{a + 1}\sqrt{{{b}}}", rf"{a}\sqrt{{{b + 4}}}"]


def _expression(rng):
    a, b = rng.randint(2, 9), rng.randint(1, 9)
    same = [f"x^2 + {a}x + {b}", f"{b} + {a}x + x^2", rf"x(x+{a}) + {b}"]
    return same[0], same, [f"x^2 - {a}x + {b}", f"{a}x + {b}"]


def _tuple(rng):
    a, b = rng.randint(-9, 9), rng.randint(2, 9)
    same = [rf"\left({a}, \frac{{\pi}}{{{b}}}\right)", rf"({a}, \frac{{\pi}}{{{b}}})"]
    return same[0], same, [rf"({a}, \frac{{{b}}}{{\pi}})", rf"({a + 1}, \frac{{\pi}}{{{b}}})"]


def _set(rng):
    a, b, c = rng.sample(range(-20, 20), 3)
    same = [rf"\{{{a}, {b}, {c}\}}", rf"\{{{c}, {a}, {b}\}}"]
    return same[0], same, [rf"\{{{a}, {b}\}}", rf"\{{{a}, {b}, {c + 50}\}}"]


def _interval(rng):
    a, b = rng.randint(-9, 0), rng.randint(1, 9)
    return f"[{a}, {b})", [f"[{a}, {b})", rf"\left[{a}, {b}\right)"], [f"({a}, {b})", f"[{a}, {b + 1})"]


# Most answers of the usual data sets are numbers.
_KINDS = [_integer, _integer, _decimal, _fraction, _integer, _root, _expression, _integer, _tuple, _set, _interval]

_STEPS = (
    "First, write down what is given: the values are {a} and {b}.",
    "Adding them gives ${a} + {b} = {c}$.",
    r"Then \( {a} \cdot {b} = {p} \), which we keep for later.",
    "Let us check this with a small case: for $n = {a}$ it holds.",
    "We substitute $x = {b}$ and simplify.",
    r"Therefore \[ \frac{{{a}}}{{{b}}} + {c} \] is an upper bound.",
    "This does not depend on the order in which we choose them.",
    "Hmm, wait, let me look at this again, since a sign may be wrong.",
)
_ENDS = (
    r"So the answer is \boxed{{{answer}}}.",
    r"Thus, the final answer is $\boxed{{{answer}}}$.",
    "**Final answer**\n\\[\n\\boxed{{{answer}}}\n\\]",
    "The final answer is ${answer}$.",
    "Answer: ${answer}$",
)


def _worked_out(rng: random.Random, answer: str) -> str:
    steps = []
    for _ in range(rng.randint(4, 24)):
        a, b = rng.randint(2, 99), rng.randint(2, 99)
        steps.append(rng.choice(_STEPS).format(a=a, b=b, c=a + b, p=a * b))
    # A box is what models are asked for, and so the most usual end.
    end = rng.choices(_ENDS, weights=[4, 4, 2, 1, 1])[0]
    return "\n".join(steps) + "\n\n" + end.format(answer=answer)
