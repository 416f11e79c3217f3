"""What the embedded model is pretrained on: addition problems answered in four styles.

Three styles answer at once, with a guess near the sum. The fourth works column by column inside `<think>`
and is always right. A model that imitates this mix mostly guesses, so its accuracy is low, and yet it knows a
way that works: GRPO with a correctness reward alone has something to find, namely that thinking pays.

Light (standard library only).
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from grpo_cli.data.builtin.addition import draw_pair, question

# Share of each style. `answer` comes above `think`, so that greedy decoding starts as a guess.
STYLES = {"answer": 0.42, "sentence": 0.18, "bare": 0.10, "think": 0.30}

# A guess is right this often, and off by up to so much the rest of the time.
GUESS_RIGHT = 0.30
GUESS_ERROR = 20


def columns(a: int, b: int) -> str:
    """Write an addition out column by column.

    Each column is `digit+digit+carry=sum`, units first; the carry is the tens of the column before it.

    Args:
        a: three-digit number.
        b: three-digit number.

    Returns:
        Such as `7+8+0=15 8+5+1=14 4+3+1=8` for 487+358.
    """
    steps, carry = [], 0
    for da, db in zip(reversed(str(a)), reversed(str(b)), strict=True):
        total = int(da) + int(db) + carry
        steps.append(f"{da}+{db}+{carry}={total}")
        carry = total // 10
    return " ".join(steps)


def think(a: int, b: int) -> str:
    """Return the answer worked out: the columns inside `<think>`, then the sum inside `<answer>`."""
    return f"<think>{columns(a, b)}</think><answer>{a + b}</answer>"


def guess(a: int, b: int, rng: random.Random) -> int:
    """Return the sum as somebody says it who does not work it out: near, and seldom right."""
    if rng.random() < GUESS_RIGHT:
        return a + b
    return a + b + rng.choice((-1, 1)) * rng.randint(1, GUESS_ERROR)


def reply(a: int, b: int, rng: random.Random) -> str:
    """Draw one completion for a problem, in one of the four styles."""
    style = rng.choices(list(STYLES), weights=list(STYLES.values()))[0]
    if style == "think":
        return think(a, b)
    value = guess(a, b, rng)
    return {"answer": f"<answer>{value}</answer>", "sentence": f"The answer is {value}.", "bare": str(value)}[style]


def rows(seed: int) -> Iterator[tuple[str, str]]:
    """Yield (question, completion) without end, from the train side of the addition problems only.

    Args:
        seed: same seed, same rows.
    """
    rng = random.Random(f"{seed}/corpus")
    while True:
        a, b = draw_pair(rng, held_out=False)
        yield question(a, b), reply(a, b, rng)
