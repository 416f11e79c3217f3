"""The Zen of Python as prompts to continue: a stand-in for the hub's `trl-internal-testing/zen`.

The text is the one that ships with Python (the `this` module, kept there in ROT13). The prompts are those of
that data set's config `standard_prompt_only`: each of the nineteen lines without its last words, in the same
order, with the same unshuffled split of 17 and 2.
"""

from __future__ import annotations

import codecs
import contextlib
import io

# Words of each line that stay in the prompt.
KEPT_WORDS = (4, 2, 3, 1, 4, 3, 1, 4, 3, 3, 2, 6, 6, 11, 2, 4, 7, 5, 5)
NUM_TEST = 2


def aphorisms() -> list[str]:
    """Return the nineteen lines of the Zen of Python, without its title."""
    # The module prints its text when it is first imported.
    with contextlib.redirect_stdout(io.StringIO()):
        import this
    return codecs.decode(this.s, "rot13").splitlines()[2:]


def zen() -> dict[str, list[dict[str, str]]]:
    """Build the prompts.

    Returns:
        `{"train": rows, "test": rows}`, 17 and 2 rows `{"prompt": "Beautiful is better than"}`.
    """
    rows = [{"prompt": " ".join(line.split()[:kept])} for line, kept in zip(aphorisms(), KEPT_WORDS, strict=True)]
    return {"train": rows[:-NUM_TEST], "test": rows[-NUM_TEST:]}
