"""Three-digit addition: the task of the embedded default, generated from a seed.

Which side of the split a pair of numbers belongs to is a property of the pair itself, not of the seed: about
one pair in sixteen is held out. So no seed's test problems occur in another seed's train problems, nor in
what the embedded model was pretrained on (`grpo_cli.assets.corpus` draws from the train side only).
"""

from __future__ import annotations

import random
import zlib

from grpo_cli.errors import ConfigError

SMALLEST, LARGEST = 100, 999
HELD_OUT_SHARE = 16  # one pair in so many

# Far below the pairs there are (about 760,000 and 50,000), so that drawing distinct ones ends quickly.
MAX_TRAIN, MAX_TEST = 400_000, 25_000


def question(a: int, b: int) -> str:
    """Return the problem as the model reads it, such as `What is 487+358?`."""
    return f"What is {a}+{b}?"


def is_held_out(a: int, b: int) -> bool:
    """Tell whether a pair belongs to the test side; a+b and b+a always fall on the same side."""
    return zlib.crc32(f"{min(a, b)}+{max(a, b)}".encode()) % HELD_OUT_SHARE == 0


def draw_pair(rng: random.Random, *, held_out: bool) -> tuple[int, int]:
    """Draw one pair of three-digit numbers, uniformly over one side of the split.

    Args:
        rng: source of randomness.
        held_out: True for the test side, False for the train side.

    Returns:
        The two numbers, each from 100 to 999.
    """
    while True:
        a, b = rng.randint(SMALLEST, LARGEST), rng.randint(SMALLEST, LARGEST)
        if is_held_out(a, b) == held_out:
            return a, b


def addition(num_train: int = 4096, num_test: int = 256, seed: int = 0) -> dict[str, list[dict[str, str]]]:
    """Generate three-digit addition problems.

    Args:
        num_train: train problems, up to 400,000.
        num_test: held-out problems, up to 25,000.
        seed: same seed, same problems. The first problems of a longer list are those of a shorter one.

    Returns:
        `{"train": rows, "test": rows}`, rows `{"question": "What is 487+358?", "answer": "845"}`; all
        questions distinct, and no pair in both splits, in either order.

    Raises:
        ConfigError: where a count is negative or above its limit.
    """
    for name, count, limit in (("num_train", num_train, MAX_TRAIN), ("num_test", num_test, MAX_TEST)):
        if not 0 <= count <= limit:
            raise ConfigError(f"addition: {name} is {count}; write a number from 0 to {limit}.")
    return {
        "train": _rows(num_train, random.Random(f"{seed}/train"), held_out=False),
        "test": _rows(num_test, random.Random(f"{seed}/test"), held_out=True),
    }


def _rows(count: int, rng: random.Random, *, held_out: bool) -> list[dict[str, str]]:
    # A dict keeps the order drawn, which a set would not.
    pairs: dict[tuple[int, int], None] = {}
    while len(pairs) < count:
        pairs[draw_pair(rng, held_out=held_out)] = None
    return [{"question": question(a, b), "answer": str(a + b)} for a, b in pairs]
